"""Planners that go by numbers: which these are, and what decides their plans."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, fields
from hashlib import blake2b
from typing import Any

from dask_serverless.client.optimizations import planner_with
from dask_serverless.history.plans_made import Keys
from planners.aimed import is_around, is_told, numbers_of
from planners.cost.model import CostModel
from planners.graph.dag import Dag
from planners.plans.checked import CheckedPlanner
from planners.plans.goals import Goals
from planners.plans.plan import Planner

DIGEST_BYTES = 16  # of the shape of a graph
MOST_PREPARED = 16
BY_SHAPE = {f"planners.{name}" for name in ("simple", "structural", "wukong")}  # modules


def decisive(settings: Hashable, dag: Dag, names: tuple[str, ...], graph: str, warm: int) -> Keys:
    """All that decides a plan but for the numbers; ``graph`` is its signature."""
    shape = blake2b(digest_size=DIGEST_BYTES)
    for column in (dag.functions, dag.inputs, dag.input_offsets, dag.wanted):
        shape.update(column.tobytes())
    alike = (settings, graph, warm)
    return Keys((*alike, names, shape.digest()), alike)


class Told:
    """Settings of a planner, as part of a key: they hash as themselves, which takes long, once."""

    __slots__ = ("hash", "settings")

    def __init__(self, settings: Hashable) -> None:
        self.settings, self.hash = settings, hash(settings)

    def __hash__(self) -> int:
        return self.hash

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Told) and self.settings == other.settings)


@dataclass(frozen=True, eq=False)
class Prepared:
    """A planner with what does not change from run to run, worked out once."""

    given: Planner
    planner: Planner  # which counts on nothing that is not going to happen
    asks: bool  # whether it goes by numbers, and was given none of its own
    own: CostModel | None  # the numbers that it was given
    by_shape: bool  # whether it looks at no names of functions
    settings: Hashable  # what it was told beside these
    goals: Goals


def prepared(planner: Planner, optimizations: tuple[str, ...]) -> Prepared:
    """The same one for the same planner: to make it takes longer than the plan of a small graph."""
    known = _prepared.get((id(planner), optimizations))
    if known is not None and known.given is planner:
        return known
    switched = planner_with(planner, optimizations)
    inner = innermost(switched)
    numbers = numbers_of(inner)
    own = numbers if numbers is not None and is_told(numbers) else None
    asks = (isinstance(inner, CostModel) or is_around(inner)) and own is None
    found = Prepared(
        planner,
        switched,
        asks,
        own,
        type(inner).__module__ in BY_SHAPE,
        Told(settings_of(inner)) if asks else None,
        getattr(inner, "goals", Goals()),
    )
    if len(_prepared) >= MOST_PREPARED:
        _prepared.clear()
    _prepared[id(planner), optimizations] = found
    return found


def settings_of(planner: Any) -> Hashable:
    numbers = {field.name for field in fields(CostModel)} - {"sla"} | {"model"}
    settings = tuple([getattr(planner, f.name) for f in fields(planner) if f.name not in numbers])
    try:
        hash(settings)
    except TypeError:  # for a user's own planner among them
        return planner.name, repr(settings)
    return planner.name, settings


def innermost(planner: Planner) -> Planner:
    return planner.planner if isinstance(planner, CheckedPlanner) else planner


_prepared: dict[tuple[int, tuple[str, ...]], Prepared] = {}
