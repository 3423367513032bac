"""Placement: turns "which unit runs in which slot, and when" into a plan with few bundles."""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heapify, heappop, heappush

import numpy as np

from planners.graph.arrays import Flags, Floats, Ids
from planners.placing.units import Units
from planners.plans.plan import Plan


@dataclass(frozen=True, eq=False)
class Placement:
    """Per unit: the slot, when it starts there and when its output is elsewhere."""

    slots: Ids
    starts: Floats
    ends: Floats


def to_plan(name: str, units: Units, placement: Placement, memory_mb: int) -> Plan:
    """Neighbours in a slot become one bundle where that makes nobody wait."""
    by_start = np.lexsort((np.arange(units.count), placement.starts, placement.slots))
    bundle_of = _bundles(units, placement, by_start.astype(np.int32))
    final = _numbered(units, placement, bundle_of)
    if final is None:  # only where things take no time at all can grouping close a cycle
        final = _numbered(units, placement, np.arange(units.count, dtype=np.int32))
        assert final is not None
    bundle_of = final
    count = int(bundle_of.max(initial=-1)) + 1
    slots = np.zeros(count, dtype=np.int32)
    slots[bundle_of] = placement.slots
    return Plan(
        planner=name,
        bundles=bundle_of[units.unit_of],
        slots=_without_gaps(slots),
        memory_mb=np.full(count, memory_mb, dtype=np.int32),
    )


def _bundles(units: Units, placement: Placement, order: Ids) -> Ids:
    """A unit joins the bundle before it if that has all inputs by then and delays no one else's."""
    slots, starts, ends = (
        placement.slots.tolist(),
        placement.starts.tolist(),
        placement.ends.tolist(),
    )
    serves_others = _serves_others(units, placement).tolist()
    offsets, parents = units.parent_offsets.tolist(), units.parents.tolist()
    bundle_of = [0] * units.count
    bundle, slot, start, closed = -1, -1, 0.0, True
    for unit in order.tolist():
        joins = slots[unit] == slot and not closed
        if joins:
            for place in range(offsets[unit], offsets[unit + 1]):
                parent = parents[place]
                if slots[parent] != slot and ends[parent] > start:
                    joins = False
                    break
        if not joins:
            bundle += 1
            slot, start = slots[unit], starts[unit]
        bundle_of[unit] = bundle
        closed = serves_others[unit]
    return np.array(bundle_of, dtype=np.int32)


def _serves_others(units: Units, placement: Placement) -> Flags:
    producers = np.repeat(np.arange(units.count), np.diff(units.child_offsets))
    remote = placement.slots[producers] != placement.slots[units.children]
    serves = np.zeros(units.count, dtype=np.bool_)
    serves[producers[remote]] = True
    return serves


def _numbered(units: Units, placement: Placement, bundle_of: Ids) -> Ids | None:
    """Bundle ids in topological order, within a slot by start; None if there is no such order."""
    count = int(bundle_of.max(initial=-1)) + 1
    starts = np.full(count, np.inf)
    np.minimum.at(starts, bundle_of, placement.starts)
    slots = np.zeros(count, dtype=np.int32)
    slots[bundle_of] = placement.slots
    producers = bundle_of[units.parents]
    consumers = bundle_of[np.repeat(np.arange(units.count), np.diff(units.parent_offsets))]
    crossing = producers != consumers
    by_slot = np.lexsort((np.arange(count), starts, slots))
    same = slots[by_slot[1:]] == slots[by_slot[:-1]]
    producers = np.concatenate((producers[crossing], by_slot[:-1][same]))
    consumers = np.concatenate((consumers[crossing], by_slot[1:][same]))
    order = _topological(count, producers, consumers, starts.tolist())
    if len(order) < count:
        return None
    places = np.empty(count, dtype=np.int32)
    places[order] = np.arange(count, dtype=np.int32)
    return places[bundle_of]


def _topological(count: int, producers: Ids, consumers: Ids, starts: list[float]) -> list[int]:
    by_producer = np.argsort(producers, kind="stable")
    targets = consumers[by_producer].tolist()
    ends = np.cumsum(np.bincount(producers, minlength=count)).tolist()
    waiting = np.bincount(consumers, minlength=count).tolist()
    ready = [(starts[bundle], bundle) for bundle in range(count) if not waiting[bundle]]
    heapify(ready)
    order: list[int] = []
    while ready:
        _, bundle = heappop(ready)
        order.append(bundle)
        for place in range(ends[bundle - 1] if bundle else 0, ends[bundle]):
            target = targets[place]
            waiting[target] -= 1
            if not waiting[target]:
                heappush(ready, (starts[target], target))
    return order


def _without_gaps(slots: Ids) -> Ids:
    """Slots numbered from 0 in the order of their first bundles."""
    _, first, place = np.unique(slots, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int32)
    rank[np.argsort(first, kind="stable")] = np.arange(len(first), dtype=np.int32)
    return rank[place]
