"""Aimed: a planner with goals: its own way to meet them, or a judgement of what it planned."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from math import inf
from typing import Any

from planners.cost.model import CostModel
from planners.graph.dag import Dag
from planners.numbers.predictions import Sla, Unmeasured
from planners.numbers.workload import function_names, names_of_tasks
from planners.plans.checked import CheckedPlanner
from planners.plans.goals import Goals
from planners.plans.plan import Plan, Planner, Prediction, Resources
from planners.structural import Structural


@dataclass(frozen=True)
class Judged(CostModel):
    """A planner that knows no goals: a plan of its that misses them is refused.

    Nothing is refused by made-up numbers: neither while nothing is known of the tasks, nor for what
    those of them that were never measured are taken to need.
    """

    planner: Planner = field(default_factory=Structural)
    deadline: float | None = None  # seconds
    budget: float | None = None  # money, by the platform's prices

    @property
    def goals(self) -> Goals:
        return Goals(self.sla, self.deadline, self.budget)

    @property
    def name(self) -> str:
        return self.planner.name

    def plan(self, dag: Dag, resources: Resources) -> Plan:
        plan = informed(self.planner, self).plan(dag, resources)
        if not self.predictions.knows(function_names(dag)):
            return replace(plan, prediction=None)
        prediction = self._of(plan, dag, resources)
        if self.goals.missed(prediction) and not self._possible(plan, dag, resources):
            raise self.goals.impossible([(plan.planner, prediction)])
        return replace(plan, prediction=prediction)

    def _possible(self, plan: Plan, dag: Dag, resources: Resources) -> bool:
        """Whether it may meet the goals all the same, by how little the unmeasured may take."""
        if self.predictions.knows_all(names_of_tasks(dag)):
            return False
        return not self.goals.missed(self.least()._of(plan, dag, resources))

    def _of(self, plan: Plan, dag: Dag, resources: Resources) -> Prediction:
        workload = self.workload(dag, resources.containers)
        return self.expected(plan.way, plan, workload, resources)


def informed(planner: Planner, model: CostModel) -> Planner:
    """By these numbers, if it goes by numbers; one around another keeps what that was told of tasks."""
    if isinstance(planner, CheckedPlanner):
        return replace(planner, planner=informed(planner.planner, model))
    if is_around(planner):
        around: Any = planner
        own, told = numbers_of(around.planner), model
        both = own is not None and is_told(own) and is_told(around.model)
        if own is not None and both and own.predictions != around.model.predictions:
            told = replace(own, platform=model.platform)
        kept = {"planner": informed(around.planner, told), "model": CostModel(**numbers(model))}
        return replace(planner, **kept)  # type: ignore[type-var]
    return replace(planner, **numbers(model)) if isinstance(planner, CostModel) else planner


def is_around(planner: Planner) -> bool:
    """Whether it changes another one's plans by numbers of its own, as ``Optimized`` does."""
    return _fields(planner) >= {"planner", "model"}


def is_told(model: CostModel) -> bool:
    return not isinstance(model.predictions, Unmeasured)


def numbers_of(planner: Planner) -> CostModel | None:
    """Those that a planner was made with, or what is wrapped around one; None, if it needs none."""
    known = planner if isinstance(planner, CostModel) else getattr(planner, "model", None)
    if not isinstance(known, CostModel):
        return None
    if is_around(planner) and not is_told(known):
        return numbers_of(planner.planner) or known  # type: ignore[attr-defined]
    return known


def numbers(model: CostModel) -> dict[str, Any]:
    """The fields of a cost model, whatever else it is."""
    return {field.name: getattr(model, field.name) for field in fields(CostModel)}


def aimed(
    planner: Planner,
    sla: Sla | None = None,
    deadline: float | None = None,
    budget: float | None = None,
) -> Planner:
    """With these goals in the place of its own; None leaves what it has, infinity takes it back."""
    if sla is None and deadline is None and budget is None:
        return planner
    given = {"sla": sla, "deadline": deadline, "budget": budget}
    told: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    taken_back = {name for name, value in told.items() if value == inf}
    if isinstance(planner, CheckedPlanner):
        inner = aimed(planner.planner, sla, deadline, budget)
        if isinstance(inner, Judged):  # what is not checked cannot be judged
            return replace(inner, planner=planner)
        return planner if inner is planner.planner else replace(planner, planner=inner)
    if taken_back and is_around(planner):
        around: Any = planner
        none: dict[str, Any] = dict.fromkeys(taken_back, inf)
        planner = replace(around, planner=aimed(around.planner, **none))
    told = {
        name: None if name in taken_back else value
        for name, value in told.items()
        if name not in taken_back or name in _fields(planner)
    }
    if told.keys() <= _fields(planner):
        if all(getattr(planner, name) == value for name, value in told.items()):
            return planner  # the same one: what is worked out for a planner is kept by it
        return replace(planner, **told)  # type: ignore[type-var]
    if told.keys() <= {"sla"}:
        return planner  # it goes by no numbers
    known = numbers_of(planner)
    model = numbers(known) if known is not None else {}
    return Judged(**{**model, "planner": planner, **told})


def _fields(planner: Planner) -> set[str]:
    return set(getattr(planner, "__dataclass_fields__", ()))
