"""Lasting: what the container of a slot keeps in memory, since a later bundle of it takes it again.

Only what takes long to unpickle: anything else is fetched again as quickly.
"""

from __future__ import annotations

import numpy as np

from planners.graph.arrays import Flags, Floats, Ids
from planners.numbers.workload import Workload
from planners.plans.crossings import Crossings
from planners.plans.plan import FLEXIBLE, Plan

# As containers do it.
SLOW_SECONDS = 0.0005
MOST_BYTES = 128 << 20


def kept_before(workload: Workload, plan: Plan, crossings: Crossings, stretch: Ids) -> Flags:
    """Per crossing, whether its taker finds it in memory, as an earlier bundle of its slot took it."""
    tasks, takers = crossings.tasks, crossings.consumers
    slow = (workload.unpacking >= SLOW_SECONDS)[tasks] & (plan.slots[takers] != FLEXIBLE)
    slow &= stretch[crossings.producers] != stretch[takers]
    kept = np.zeros(len(tasks), dtype=np.bool_)
    places = np.flatnonzero(slow)  # by taker; bundles of a slot run in the order of their ids
    if not len(places):
        return kept
    keys = stretch[takers[places]].astype(np.int64) * workload.dag.tasks + tasks[places]
    _, firsts, of, counts = np.unique(
        keys, return_index=True, return_inverse=True, return_counts=True
    )
    sizes = np.where(counts > 1, workload.output_bytes[tasks[places[firsts]]], 0.0)
    room = _within(stretch[takers[places[firsts]]], firsts, sizes)
    kept[places] = room[of]
    kept[places[firsts]] = False
    return kept


def _within(stretches: Ids, order: Ids, sizes: Floats) -> Flags:
    """Which of them there is room for, in this order, in the memory of each stretch."""
    by_stretch = np.lexsort((order, stretches))
    so_far = np.cumsum(sizes[by_stretch])
    groups = stretches[by_stretch]
    begins = np.flatnonzero(np.r_[True, groups[1:] != groups[:-1]])
    before = np.repeat((so_far - sizes[by_stretch])[begins], np.diff(np.r_[begins, len(groups)]))
    room = np.empty(len(sizes), dtype=np.bool_)
    room[by_stretch] = so_far - before <= MOST_BYTES
    return room
