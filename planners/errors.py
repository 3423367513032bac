"""Every error that planning raises on purpose, in one tree.

An error's data are attributes, and they survive pickling whatever the constructor takes.
"""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

AnyPlanError = TypeVar("AnyPlanError", bound="PlanError")


class PlanError(ValueError):
    """A plan that cannot be run, or a planner that gave none; the message names a task.

    ``planner`` and ``task`` say whose plan it was and which task shows what is wrong, if any.
    """

    def __init__(self, message: str, *, planner: str = "", task: int = -1) -> None:
        super().__init__(message)
        self.planner = planner
        self.task = task

    def blaming(self: AnyPlanError, planner: str) -> AnyPlanError:
        """The same error with the same data, which says whose plan it was."""
        message = f"planner {planner!r}: {self}"
        return _made(type(self), (message,), {**vars(self), "planner": planner})

    def __reduce__(self) -> tuple[Any, ...]:
        return _made, (type(self), self.args, vars(self))


def _made(kind: type[AnyPlanError], args: tuple[Any, ...], data: dict[str, Any]) -> AnyPlanError:
    error = kind.__new__(kind, *args)
    vars(error).update(data)
    return error


class UnknownPlanner(PlanError):
    """No planner of this name is built in or registered."""


class DagError(ValueError):
    """The edge list is not a DAG; the message names a task that shows why."""


class PredictionError(PlanError):
    """No usable prediction; the message says for what and what to do."""


class UnknownSla(PredictionError):
    """The SLA is neither "average" nor a percentile."""

    def __init__(self, sla: object) -> None:
        super().__init__(f'unknown SLA {sla!r}: use "average" or a whole percentile, 1 to 100')
        self.sla = sla


class MissingPrediction(PredictionError):
    """Nothing was measured for this yet."""

    def __init__(self, of: str, name: str) -> None:
        super().__init__(
            f"no samples of {of} for {name!r}: run it once, give Measured a fallback, or use a "
            'planner that needs no history ("structural", "wukong")'
        )
        self.of, self.name = of, name


class BadPrediction(PredictionError):
    """A prediction or a sample is negative, infinite or not a number."""

    def __init__(self, of: str, name: str, value: float, least: str = "zero or more") -> None:
        super().__init__(f"{of} of {name!r} is {value}: it must be a finite number, {least}")
        self.of, self.name, self.value = of, name, value


class AnnotationError(PlanError):
    """An annotation that does not fit its plan, or JSON that is no annotation."""


class TooLittleMemory(PlanError):
    """A task is expected to need more memory than its container would have."""

    def __init__(self, task: int, label: str, needed_mb: float, memory_mb: int) -> None:
        super().__init__(
            f"{label} is expected to need {needed_mb:,.0f} MB of memory, but containers have "
            f"{memory_mb:,}: raise the setting memory (Resources.memory_mb or Platform.memory_sizes_mb)",
            task=task,
        )
        self.label, self.needed_mb, self.memory_mb = label, needed_mb, memory_mb


class Stalled(PlanError):
    """Every container waits for a bundle that finds no container."""

    def __init__(self, bundle: int, slot: int, containers: int) -> None:
        where = f"of slot {slot}" if slot >= 0 else "without a slot"
        super().__init__(
            f"bundle {bundle} {where} never starts: all {containers} containers wait for "
            "it; plan fewer slots or give Resources more containers"
        )
        self.bundle, self.slot, self.containers = bundle, slot, containers


class GoalInvalid(PlanError):
    """A deadline or a budget that is no number above zero, or a planning time below it."""

    def __init__(self, goal: str, value: object) -> None:
        super().__init__(
            f"{goal} is {value!r}: as a number, it must be above zero, or None for no {goal}"
        )
        self.goal, self.value = goal, value


class Expected(Protocol):
    """What an error tells of a plan: a Prediction has it."""

    @property
    def makespan_seconds(self) -> float: ...

    @property
    def cost(self) -> float: ...


class GoalError(PlanError):
    """No plan that was tried meets the deadline or the budget; the message says what is possible.

    ``fastest`` and ``cheapest`` are the predictions of those two plans, ``fastest_by`` and
    ``cheapest_by`` the planners that made them.
    """

    def __init__(
        self,
        goal: str,
        fastest: Expected,
        cheapest: Expected,
        fastest_by: str = "",
        cheapest_by: str = "",
    ) -> None:
        best = f"the fastest takes {_possible(fastest, fastest_by)}"
        if (cheapest, cheapest_by) == (fastest, fastest_by):
            best += ", and none is cheaper"
        else:
            best += f", the cheapest takes {_possible(cheapest, cheapest_by)}"
        super().__init__(f"no plan meets {goal}: {best}; allow more time, money or containers")
        self.goal, self.fastest, self.cheapest = goal, fastest, cheapest
        self.fastest_by, self.cheapest_by = fastest_by, cheapest_by


def _possible(expected: Expected, planner: str) -> str:
    by = f" ({planner})" if planner else ""
    return f"{expected.makespan_seconds:.3f} s and costs {expected.cost:.6f}{by}"
