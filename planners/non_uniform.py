"""non_uniform: best memory everywhere, then less wherever that does not harm the makespan."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from planners.cost.incremental import ROUNDING_SECONDS, Incremental, Undo
from planners.cost.model import CostModel
from planners.cost.platform import Platform
from planners.graph.arrays import Ids
from planners.graph.dag import Dag
from planners.list_schedule import ListSchedule
from planners.numbers.predictions import check_number
from planners.numbers.workload import Workload
from planners.plans.plan import Plan, Planner, Resources
from planners.uniform import Uniform

FEW_LOOKS = 100_000  # tasks × slots up to which list_schedule is cheap enough
SHRINKS = 6  # of the slots by a quarter, at most
LEAST_STEPS, STEPS_PER_BUNDLE = 80_000, 4  # bundles computed before trying on is not worth it


@dataclass(frozen=True)
class NonUniform(CostModel):
    """Starts from ``uniform`` with the best memory, and gives back what nobody waits for.

    First slots: as few as keep the makespan; small graphs are list-scheduled for that, too. Then
    memory: slots that cost most come first, each tries the smallest size first, and rounds go on
    until nothing moves. ``slack`` is the share of the makespan that may be given for it, and up to
    ``limit_seconds`` time does not matter. Another planner's slots are reduced as ``start``.
    """

    start: Planner | None = None  # has to give every bundle a slot
    slack: float = 0.02
    limit_seconds: float = 0.0

    name: ClassVar[str] = "non_uniform"

    def __post_init__(self) -> None:
        check_number("slack", self.name, self.slack)
        check_number("time limit", self.name, self.limit_seconds)

    def plan(self, dag: Dag, resources: Resources) -> Plan:
        workload = self.workload(dag, resources.containers)
        plan = self.place(workload, resources)
        return self.timeline(plan, workload, resources).predicted_plan()

    def place(self, workload: Workload, resources: Resources) -> Plan:
        """The plan without its prediction."""
        sized = replace(resources, memory_mb=best_memory(workload, self.platform))
        if self.start is None:
            plan, fastest = self._fewest_slots(workload, sized)
        else:
            plan = self.start.plan(workload.dag, sized)
            fastest = Incremental(plan, workload, self.platform).makespan_seconds
        return replace(plan, planner=self.name, memory_mb=self._reduced(plan, workload, fastest))

    def _fewest_slots(self, workload: Workload, resources: Resources) -> tuple[Plan, float]:
        """The cheapest of ever fewer slots that keep the makespan, which is that of uniform."""
        uniform = Uniform.of(self, memory_mb=resources.memory_mb)
        plan = uniform.place(workload, resources)
        timeline = Incremental(plan, workload, self.platform)
        fastest = timeline.makespan_seconds
        best, cheapest = plan, timeline.gb_seconds
        most = min(resources.containers, workload.dag.tasks)
        placers: list[tuple[Uniform | ListSchedule, int]] = [(uniform, most * 3 // 4)]
        if most * workload.dag.tasks <= FEW_LOOKS:
            placers.append((ListSchedule.of(uniform, memory_mb=uniform.memory_mb, effort=1), most))
        for placer, slots in placers:
            for _ in range(SHRINKS):
                plan = placer.place(workload, replace(resources, containers=max(slots, 1)))
                timeline = Incremental(plan, workload, self.platform)
                if timeline.makespan_seconds > self._limit(fastest):
                    break
                if timeline.gb_seconds < cheapest:
                    best, cheapest = plan, timeline.gb_seconds
                slots = slots * 3 // 4
        return best, fastest

    def _reduced(self, plan: Plan, workload: Workload, fastest: float) -> Ids:
        """First what costs no time, then what the slack allows."""
        reduction = Reduction(plan, workload, self.platform)
        reduction.lower(max(reduction.timeline.makespan_seconds, fastest) + ROUNDING_SECONDS)
        if self._limit(fastest) > fastest:
            reduction.lower(self._limit(fastest))
        return reduction.memory_mb

    def _limit(self, fastest: float) -> float:
        return max(fastest * (1 + self.slack), self.limit_seconds) + ROUNDING_SECONDS


def best_memory(workload: Workload, platform: Platform) -> int:
    """The smallest size beyond which nothing gets faster; more memory never makes slower."""
    sizes = platform.fitting_sizes(workload)
    enough = workload.seconds(sizes[-1]).sum() * (1 + 1e-12)
    return sizes[bisect_left(sizes, True, key=lambda size: workload.seconds(size).sum() <= enough)]


class Reduction:
    """Lowers the memory of slots as long as everything ends in time."""

    def __init__(self, plan: Plan, workload: Workload, platform: Platform) -> None:
        self.timeline = Incremental(plan, workload, platform)
        self.sizes = platform.fitting_sizes(workload)

    @property
    def memory_mb(self) -> Ids:
        """Bundle → memory."""
        memory = np.array(self.timeline.memory, dtype=np.int32)
        return memory[np.array(self.timeline.slot, dtype=np.int64)]

    def lower(self, limit_seconds: float) -> None:
        """Until a whole round moves nothing."""
        enough = self.timeline.steps + LEAST_STEPS + STEPS_PER_BUNDLE * self.timeline.count
        while self._round(limit_seconds, enough):
            pass

    def _round(self, limit_seconds: float, enough: int) -> bool:
        """``enough`` steps of the timeline, and nothing more is tried."""
        timeline = self.timeline
        latest = timeline.latest(limit_seconds)
        dearest_first = sorted(
            range(timeline.slot_count), key=timeline.slot_gb_seconds, reverse=True
        )
        moved = self._lower_together(latest, limit_seconds, enough)
        for slot in dearest_first:
            moved |= self._lower(slot, latest, limit_seconds, enough)
        return moved

    def _lower_together(self, latest: list[float], limit_seconds: float, enough: int) -> bool:
        """Slots that wait for each other: one slower alone only makes the others dearer."""
        timeline = self.timeline
        for size in self.sizes:
            slots = [slot for slot, memory in enumerate(timeline.memory) if memory > size]
            slots = [slot for slot in slots if not timeline.surely_harms(slot, size, latest)]
            if timeline.steps > enough or not slots:
                continue
            before = timeline.gb_seconds
            undo = timeline.try_memory(slots, size, latest)
            if self._pays(undo, before, limit_seconds):
                return True
            timeline.undo(undo)
        return False

    def _pays(self, undo: Undo, gb_seconds_before: float, limit_seconds: float) -> bool:
        timeline = self.timeline
        in_time = not undo.late and timeline.makespan_seconds <= limit_seconds
        return in_time and timeline.gb_seconds < gb_seconds_before

    def _lower(self, slot: int, latest: list[float], limit_seconds: float, enough: int) -> bool:
        """Whether the slot now has the smallest size that is cheaper and harms nobody."""
        timeline = self.timeline
        for size in self.sizes:
            if size >= timeline.memory[slot]:
                return False
            if timeline.steps > enough or timeline.surely_harms(slot, size, latest):
                continue
            before = timeline.gb_seconds
            undo = timeline.try_memory([slot], size, latest)
            if self._pays(undo, before, limit_seconds):
                return True
            timeline.undo(undo)
        return False
