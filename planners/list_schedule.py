"""list_schedule: earliest finish over all slots; communication, cold starts and gaps count."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from planners.cost.model import CostModel
from planners.cost.timeline import Timeline
from planners.graph.arrays import Ids
from planners.graph.dag import Dag
from planners.numbers.workload import Workload
from planners.placing.one_pass import OnePass
from planners.placing.placement import to_plan
from planners.placing.units import Units, rank_order, upward_ranks
from planners.plans.plan import Plan, Resources
from planners.plans.succession import NONE
from planners.structural import Structural

EFFORT = 1_500_000  # about as many microseconds
WOBBLES = 4


@dataclass(frozen=True)
class ListSchedule(CostModel):
    """Tries a few sizes of groups and counts of slots; keeps what the timeline says is fastest.

    Groups larger than chains, and fewer slots than containers, pay where communication is dear:
    earliest finish is greedy and spreads what had better stayed together.
    """

    memory_mb: int = 0  # 0: what the resources or the platform say
    effort: int = EFFORT  # looks of a unit at a slot, after which no further pass starts

    name: ClassVar[str] = "list_schedule"

    def plan(self, dag: Dag, resources: Resources) -> Plan:
        return self.place(self.workload(dag, resources.containers), resources)

    def place(self, workload: Workload, resources: Resources) -> Plan:
        return self.fastest(workload, resources).predicted_plan()

    def fastest(
        self, workload: Workload, resources: Resources, groups: Ids | None = None
    ) -> Timeline:
        """``groups`` of tasks, if given, are all that is looked at."""
        memory = self.memory_mb or self.platform.memory_of(resources)
        self.platform.check_memory(workload, memory)
        best: Timeline | None = None
        looks = 0
        for one in self._all_passes(workload, memory, resources, groups):
            plan = to_plan(self.name, one.units, one.run(), memory)
            timeline = self.timeline(plan, workload, resources)
            if best is None or timeline.makespan_seconds < best.makespan_seconds:
                best = timeline
            looks += one.units.count * one.slots
            if looks >= self.effort:
                break
        assert best is not None
        return best

    def _all_passes(
        self, workload: Workload, memory_mb: int, resources: Resources, groups: Ids | None
    ) -> Iterator[EarliestFinish]:
        if groups is not None:
            units = Units.of(workload, memory_mb, groups)
            yield from self._passes(units, workload, memory_mb, resources)
            return
        for units in self._groupings(workload, memory_mb, resources):
            yield from self._passes(units, workload, memory_mb, resources)

    def _groupings(
        self, workload: Workload, memory_mb: int, resources: Resources
    ) -> Iterator[Units]:
        chains = Units.of(workload, memory_mb)
        yield chains
        counts = {chains.count}
        for groups in self._other_groups(workload.dag, resources):
            if (count := int(groups.max(initial=-1)) + 1) not in counts:
                counts.add(count)
                yield Units.of(workload, memory_mb, groups)

    def _other_groups(self, dag: Dag, resources: Resources) -> Iterator[Ids]:
        """Single tasks, since the first of a chain may fill a gap; and ever larger groups."""
        yield np.arange(dag.tasks, dtype=np.int32)
        for share in (1, 4, 16, 64):
            yield Structural().plan(dag, Resources(max(resources.containers // share, 1))).bundles

    def _passes(
        self, units: Units, workload: Workload, memory_mb: int, resources: Resources
    ) -> Iterator[EarliestFinish]:
        order = rank_order(upward_ranks(units, self.platform)).tolist()
        expected = (units.expected_store_seconds() + self.platform.publish_seconds).tolist()
        never = [self.platform.publish_seconds] * units.count
        most = max(min(resources.containers, units.count), 1)
        starting = self.platform.starting(workload, memory_mb, most)
        yield EarliestFinish(units, workload, order, starting, expected)
        # Optimists, about storing and about starting: what they get wrong sometimes cancels out.
        yield EarliestFinish(units, workload, order, starting, never)
        yield EarliestFinish(units, workload, order, [0.0] * most, [0.0] * units.count)
        for slots in sorted({max(most // share, 1) for share in (2, 4, most)} - {most}):
            yield EarliestFinish(units, workload, order, starting[:slots], expected)
        for other in self._wobbled_orders(units, workload):
            yield EarliestFinish(units, workload, other, starting, expected)

    def _wobbled_orders(self, units: Units, workload: Workload) -> Iterator[list[int]]:
        """Ranks are so close that chance finds better ones; always the same chance."""
        for seed in range(WOBBLES):
            wobble = np.random.default_rng(seed).uniform(0.8, 1.2, units.count)
            wobbled = replace(units, seconds=units.seconds * wobble)
            yield rank_order(upward_ranks(wobbled, self.platform)).tolist()


class EarliestFinish(OnePass):
    """In rank order, each unit to the slot, and the gap in it, where it ends first."""

    def __init__(
        self,
        units: Units,
        workload: Workload,
        order: list[int],
        starting: list[float],
        after: list[float],
    ) -> None:
        super().__init__(units, workload, order, starting)
        self.after = after  # seconds between a unit's execution and its slot being free
        self.upload: list[float] = units.store_seconds.tolist()
        self.executed = [0.0] * units.count
        self.gap_starts: list[list[float]] = []  # per opened slot, where it is idle, in order
        self.gap_ends: list[list[float]] = []

    def _there(self) -> list[float]:
        return [
            max(end, executed + upload)
            for end, executed, upload in zip(self.end, self.executed, self.upload, strict=True)
        ]

    def _place(self, unit: int) -> None:
        remote, total, held = self._inputs(unit)
        seconds = self.seconds[unit] + self.after[unit]
        far = seconds + (self.download.at(total) if total else 0.0)
        best, start, end = NONE, 0.0, np.inf
        for slot in held:
            ready, left = self._home_inputs(unit, slot)
            near = seconds + (self.download.at(left) if left else 0.0)
            begin = self._gap(slot, ready, near, end)
            if begin + near < end:
                best, start, end = slot, begin, begin + near
        for slot in range(len(self.free)):
            begin = self._gap(slot, remote, far, end)
            if begin + far < end:
                best, start, end = slot, begin, begin + far
        if (new := len(self.free)) < self.slots:
            opened = remote + self.starting[new]
            if opened + far < end:
                best, start, end = new, opened, opened + far
        self._take(unit, best, start, end)

    def _inputs(self, unit: int) -> tuple[float, float, set[int]]:
        """When all are elsewhere, their bytes, and the slots where some need not be fetched."""
        remote, total, held = 0.0, self.constant_bytes[unit], set[int]()
        for place in range(self.offsets[unit], self.offsets[unit + 1]):
            parent = self.parents[place]
            remote = max(remote, self.end[parent], self.executed[parent] + self.upload[parent])
            held.add(self.slot[parent])
            total += self.bytes[place]
        return remote, total, held

    def _home_inputs(self, unit: int, slot: int) -> tuple[float, float]:
        """The same as seen from a slot that holds some of them: when, and the bytes to fetch."""
        ready, left = 0.0, self.constant_bytes[unit]
        for place in range(self.offsets[unit], self.offsets[unit + 1]):
            parent = self.parents[place]
            ready = max(ready, self.end[parent])
            if self.slot[parent] != slot:
                ready = max(ready, self.executed[parent] + self.upload[parent])
                left += self.bytes[place]
        return ready, left

    def _gap(self, slot: int, ready: float, duration: float, limit: float) -> float:
        """The earliest start in this slot that moves nothing; infinite if it ends past limit."""
        free = self.free[slot]
        if ready >= free:
            return ready
        starts, ends = self.gap_starts[slot], self.gap_ends[slot]
        for place in range(bisect_right(ends, ready), len(starts)):
            # In front of all others, the container would have to be started for this one.
            begin = max(ready, starts[place]) if starts[place] else ready + self.starting[slot]
            if begin + duration >= limit:
                return np.inf
            if begin + duration <= ends[place]:
                return begin
        return free

    def _take(self, unit: int, slot: int, start: float, end: float) -> None:
        self.slot[unit], self.start[unit], self.end[unit] = slot, start, end
        self.executed[unit] = end - self.after[unit]
        if slot == len(self.free):
            self.gap_starts.append([0.0])
            self.gap_ends.append([start])
            self.free.append(end)
            return
        starts, ends = self.gap_starts[slot], self.gap_ends[slot]
        free = self.free[slot]
        if start >= free:
            if start > free:
                starts.append(free)
                ends.append(start)
            self.free[slot] = end
            return
        place = bisect_left(ends, end)  # the gap it was found in: what is left before and after
        before, after = (starts[place], start), (end, ends[place])
        left = [gap for gap in (before, after) if gap[1] > gap[0]]
        starts[place : place + 1] = [gap[0] for gap in left]
        ends[place : place + 1] = [gap[1] for gap in left]
