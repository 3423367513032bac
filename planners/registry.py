"""Registry: planners by name, built in or from the entry points of installed packages."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import fields
from difflib import get_close_matches
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any

from planners.errors import PlanError, UnknownPlanner
from planners.graph.dag import Dag
from planners.plans.checked import CheckedPlanner
from planners.plans.plan import Planner, Resources

if TYPE_CHECKING:  # a fresh process gets its first plan without the cost model
    from planners.cost.model import CostModel
    from planners.cost.outlook import Outlook

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


def planner_by(name: str, model: CostModel, **settings: Any) -> CheckedPlanner:
    """A planner by name that goes by these numbers, if it goes by numbers at all."""
    from planners.cost.model import CostModel

    make = planner_class(name)
    if not (isinstance(make, type) and issubclass(make, CostModel)):
        return planner_named(name, **settings)
    numbers = {field.name: getattr(model, field.name) for field in fields(CostModel)}
    return planner_named(name, **numbers, **settings)


def outlook(
    dag: Dag, resources: Resources, model: CostModel, planner: str = "auto", **settings: Any
) -> Outlook:
    """Plan, and look at what would come of it; ``settings`` are the planner's, goals say."""
    from planners.cost.outlook import Outlook

    plan = planner_by(planner, model, **settings).plan(dag, resources)
    return Outlook(plan, dag, model, resources, partial(planner_by, model=model))


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
    what = f"no planner is called {name!r}.{hint} Known: {', '.join(known)}"
    return UnknownPlanner(what, planner=str(name))
