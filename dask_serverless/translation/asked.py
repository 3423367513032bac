"""What the annotations of a plan ask of each of its bundles."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

import numpy as np

from dask_serverless.coordination.sizes import size_for
from dask_serverless.translation.streams import by_bundle_before
from dask_serverless.worker.bundle import Near, Start
from planners.plans.annotations import (
    CheckFanIn,
    HoldOutput,
    KeepChildren,
    PreloadInputs,
    StartContainers,
)
from planners.plans.plan import FLEXIBLE, Plan


def ahead_of(plan: Plan) -> dict[int, tuple[int, ...]]:
    """What to fetch for a later bundle, by the one that the same container runs before it."""
    notes = [note for note in plan.annotations if isinstance(note, PreloadInputs)]
    return by_bundle_before(plan, notes)


def containers_for(plan: Plan, most: int) -> int:
    """How many are to come at first: no more than it has slots, if all its bundles have one."""
    if (plan.slots == FLEXIBLE).any():
        return most
    return min(most, len(np.unique(plan.slots)))


def starts_of(plan: Plan, sizes_mb: Sequence[int]) -> dict[int, tuple[Start, ...]]:
    """Which containers whoever begins a bundle asks for ahead of need."""
    starts: dict[int, tuple[Start, ...]] = {}
    for note in plan.annotations:
        if isinstance(note, StartContainers):
            memory = sizes_mb[size_for(note.memory_mb, sizes_mb)] if sizes_mb else 0
            more = (note.containers, note.delay_seconds, memory)
            starts[note.trigger] = (*starts.get(note.trigger, ()), more)
    return starts


def holds_back(plan: Plan) -> bool:
    """Whether containers hold outputs back for bundles that others make ready, too."""
    return any(isinstance(note, HoldOutput | CheckFanIn) for note in plan.annotations)


def near_of(plan: Plan) -> dict[int, tuple[Near, ...]]:
    """For which children each bundle keeps outputs in memory, where the plan says so."""
    near: dict[int, tuple[Near, ...]] = {}
    for note in plan.annotations:
        if isinstance(note, KeepChildren):
            near[note.bundle] = tuple([Near(child, inf) for child in note.children])
        elif isinstance(note, CheckFanIn):
            near.setdefault(note.bundle, (Near(note.child, 0.0),))
        elif isinstance(note, HoldOutput):
            near[note.bundle] = (Near(note.child, note.wait_seconds),)
    return near
