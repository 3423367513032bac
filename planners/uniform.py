"""uniform: one memory size; slots from predicted times and sizes, in one pass."""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heappop, heappush
from typing import ClassVar

from planners.cost.model import CostModel
from planners.cost.platform import Platform
from planners.graph.arrays import Ids
from planners.graph.dag import Dag
from planners.numbers.workload import Workload
from planners.placing.one_pass import OnePass
from planners.placing.placement import to_plan
from planners.placing.units import Units, rank_order, upward_ranks
from planners.plans.plan import Plan, Resources

LEFT_OVER = 0.5  # bytes: by rounding, where all are held


@dataclass(frozen=True)
class Uniform(CostModel):
    """The unit with the longest way to go first; it stays with most of its bytes, or is spread.

    It stays unless the slot that is free first would have it done earlier. So at a fan-out short
    tasks with big inputs stay with the producer, and long ones, which come first, are spread; the
    short ones fill up behind them.
    """

    memory_mb: int = 0  # 0: what the resources or the platform say
    slots: int = 0  # at most; 0: one for each container

    name: ClassVar[str] = "uniform"

    def plan(self, dag: Dag, resources: Resources) -> Plan:
        workload = self.workload(dag, resources.containers)
        plan = self.place(workload, resources)
        return self.timeline(plan, workload, resources).predicted_plan()

    def place(self, workload: Workload, resources: Resources, groups: Ids | None = None) -> Plan:
        """The plan without its prediction; ``groups`` of tasks in place of chains, if given."""
        memory = self.memory_mb or self.platform.memory_of(resources)
        self.platform.check_memory(workload, memory)
        units = Units.of(workload, memory, groups)
        slots = min(resources.containers, self.slots or resources.containers, units.count)
        placement = Spread(units, workload, self.platform, memory, max(slots, 1)).run()
        return to_plan(self.name, units, placement, memory)


class Spread(OnePass):
    """The pass itself: two candidate slots a unit, so its time hardly depends on the slots."""

    def __init__(
        self, units: Units, workload: Workload, platform: Platform, memory_mb: int, slots: int
    ) -> None:
        order = rank_order(upward_ranks(units, platform)).tolist()
        super().__init__(units, workload, order, platform.starting(workload, memory_mb, slots))
        after = units.expected_store_seconds() + platform.publish_seconds
        self.after: list[float] = after.tolist()
        self.soonest: list[tuple[float, int]] = []  # (free, slot), outdated entries included

    def _place(self, unit: int) -> None:
        ready, total, held = self._inputs(unit)
        best = self._spread_slot(ready)
        fetch = total - held.get(best, 0.0)
        start = self._free(best, ready)
        done = start + (self.download.at(fetch) if fetch > LEFT_OVER else 0.0)
        if held:
            home = max(held, key=held.__getitem__)
            if home != best:
                left = total - held[home]
                begin = max(self.free[home], ready)
                home_done = begin + (self.download.at(left) if left > LEFT_OVER else 0.0)
                if home_done <= done:
                    best, start, done = home, begin, home_done
        self._take(unit, best, start, done + self.seconds[unit] + self.after[unit])

    def _inputs(self, unit: int) -> tuple[float, float, dict[int, float]]:
        """When they are there, their bytes, and how many of those each slot holds."""
        ready, total, held = 0.0, self.constant_bytes[unit], dict[int, float]()
        for place in range(self.offsets[unit], self.offsets[unit + 1]):
            parent, size = self.parents[place], self.bytes[place]
            ready = max(ready, self.end[parent])
            slot = self.slot[parent]
            held[slot] = held.get(slot, 0.0) + size
            total += size
        return ready, total, held

    def _spread_slot(self, ready: float) -> int:
        """The slot that is free first; a new one where that is sooner."""
        soonest = self.soonest
        while soonest and self.free[soonest[0][1]] != soonest[0][0]:
            heappop(soonest)
        opened = len(self.free)
        if opened < self.slots:
            if not soonest or soonest[0][0] > ready + self.starting[opened]:
                return opened
        return soonest[0][1]

    def _free(self, slot: int, ready: float) -> float:
        if slot == len(self.free):
            return ready + self.starting[slot]
        return max(self.free[slot], ready)

    def _take(self, unit: int, slot: int, start: float, end: float) -> None:
        if slot == len(self.free):
            self.free.append(end)
        self.free[slot] = end
        heappush(self.soonest, (end, slot))
        self.slot[unit], self.start[unit], self.end[unit] = slot, start, end
