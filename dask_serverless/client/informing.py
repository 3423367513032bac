"""Planners that go by numbers: which these are, and what decides their plans."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import fields
from hashlib import blake2b

from dask_serverless.history.plans_made import Keys
from planners.cost.model import CostModel
from planners.graph.dag import Dag
from planners.numbers.predictions import Unmeasured
from planners.numbers.workload import function_names
from planners.plans.checked import CheckedPlanner
from planners.plans.goals import Goals
from planners.plans.plan import Planner

DIGEST_BYTES = 16  # of the shape of a graph


def decisive(planner: Planner, dag: Dag, graph: str, warm: int) -> Keys:
    """All that decides a plan but for the numbers; ``graph`` is its signature."""
    shape = blake2b(digest_size=DIGEST_BYTES)
    for column in (dag.functions, dag.inputs, dag.input_offsets, dag.wanted):
        shape.update(column.tobytes())
    inner = innermost(planner)
    assert isinstance(inner, CostModel)
    numbers = {field.name for field in fields(CostModel)} - {"sla"}
    settings = [getattr(inner, f.name) for f in fields(inner) if f.name not in numbers]
    told: Hashable = tuple(settings)
    try:
        hash(told)
    except TypeError:  # for a user's own planner among the settings
        told = repr(settings)
    alike = (type(inner).__name__, told, graph, warm)
    return Keys((*alike, function_names(dag), shape.digest()), alike)


def goals_of(planner: Planner) -> Goals:
    inner = innermost(planner)
    return getattr(inner, "goals", Goals())


def innermost(planner: Planner) -> Planner:
    return planner.planner if isinstance(planner, CheckedPlanner) else planner


def asks(planner: Planner) -> bool:
    """Whether it goes by numbers, and was given none of its own."""
    inner = innermost(planner)
    return isinstance(inner, CostModel) and isinstance(inner.predictions, Unmeasured)
