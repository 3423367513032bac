"""Registry: planners by name, built in or from the entry points of installed packages."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import numpy as np
import numpy.typing as npt

from planners.errors import PlanError, UnknownPlanner
from planners.graph.arrays import Ids
from planners.graph.dag import Dag
from planners.plans.plan import Plan, Planner, Resources

GROUP = "dask_serverless.planners"

BUILT_IN = {
    "auto": "planners.auto:Auto",
    "list_schedule": "planners.list_schedule:ListSchedule",
    "non_uniform": "planners.non_uniform:NonUniform",
    "simple": "planners.simple:Simple",
    "structural": "planners.structural:Structural",
    "uniform": "planners.uniform:Uniform",
    "wukong": "planners.wukong:Wukong",
}


def known_planners() -> list[str]:
    """All names that ``planner_class`` accepts, sorted."""
    return sorted({*BUILT_IN, *(entry.name for entry in entry_points(group=GROUP))})


def planner_class(name: str) -> Callable[..., Planner]:
    """What makes planners of this name. Built-in names cannot be taken by a package."""
    if name in BUILT_IN:
        module, _, attribute = BUILT_IN[name].partition(":")
        built_in: Callable[..., Planner] = getattr(importlib.import_module(module), attribute)
        return built_in
    found = [entry for entry in entry_points(group=GROUP) if entry.name == name]
    if not found:
        raise _unknown(name)
    return _loaded(found[0])


def planner_named(name: str, **settings: Any) -> CheckedPlanner:
    """A planner by name, whose plans are checked before anybody sees them."""
    make = planner_class(name)
    try:
        return CheckedPlanner(make(**settings), name, validates=name not in BUILT_IN)
    except TypeError as error:
        raise PlanError(f"planner {name!r} cannot be made: {error}", planner=name) from error


@dataclass(frozen=True)
class CheckedPlanner:
    """Whatever goes wrong in a planner becomes a PlanError that says whose fault it is."""

    planner: Planner
    name: str
    validates: bool = True  # plans of the built-in planners are validated by their tests

    def plan(self, dag: Dag, resources: Resources) -> Plan:
        try:
            plan = self.planner.plan(dag, resources)
        except PlanError as error:
            raise self._error(str(error), error.task) from error
        except Exception as error:
            raise self._error(f"it raised {type(error).__name__}: {error}") from error
        if not self.validates:
            return plan
        if not isinstance(plan, Plan):
            raise self._error(f"it returned {type(plan).__name__}, not a Plan")
        plan = _with_arrays(plan)
        try:
            plan.validate(dag)
        except PlanError as error:
            raise self._error(str(error), error.task) from error
        return plan

    def _error(self, what: str, task: int = -1) -> PlanError:
        return PlanError(f"planner {self.name!r}: {what}", planner=self.name, task=task)


def _with_arrays(plan: Plan) -> Plan:
    """Lists and wider integers are fine from a user's planner; all others expect int32."""
    bundles, slots, memory = map(_as_ids, (plan.bundles, plan.slots, plan.memory_mb))
    if bundles is plan.bundles and slots is plan.slots and memory is plan.memory_mb:
        return plan
    return replace(plan, bundles=bundles, slots=slots, memory_mb=memory)


def _as_ids(values: npt.ArrayLike) -> Ids:
    array: npt.NDArray[Any] = np.asarray(values)
    integers = array.dtype.kind in "iu" or not array.size
    return array.astype(np.int32, copy=False) if integers else array


def _loaded(entry: EntryPoint) -> Callable[..., Planner]:
    try:
        loaded: Callable[..., Planner] = entry.load()
    except Exception as error:
        what = f"planner {entry.name!r} ({entry.value}) cannot be imported: {error}"
        raise PlanError(what, planner=entry.name) from error
    return loaded


def _unknown(name: str) -> UnknownPlanner:
    known = known_planners()
    close = get_close_matches(str(name), known, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return UnknownPlanner(f"no planner is called {name!r}.{hint} Known: {', '.join(known)}")
