"""non_uniform: best memory everywhere, then less wherever that does not harm the makespan."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np

from planners.arrays import Ids
from planners.dag import Dag
from planners.incremental import ROUNDING_SECONDS, Incremental
from planners.plan import Plan, Planner, Resources
from planners.platform import Platform
from planners.predictions import Constant, Predictions, Sla
from planners.timeline import predict_timeline
from planners.uniform import Uniform
from planners.workload import Workload


@dataclass(frozen=True)
class NonUniform:
    """Starts from ``uniform`` with the best memory, and gives back what nobody waits for.

    Slots that cost most come first, each tries the smallest size first, and rounds go on until
    nothing moves. ``slack`` is the share of the makespan that may be given for it, and up to
    ``limit_seconds`` time does not matter. Another planner's slots are reduced as ``start``.
    """

    predictions: Predictions = field(default_factory=Constant)
    platform: Platform = field(default_factory=Platform)
    sla: Sla = "average"
    start: Planner | None = None  # has to give every bundle a slot
    slack: float = 0.0
    limit_seconds: float = 0.0

    name: ClassVar[str] = "non_uniform"

    def plan(self, dag: Dag, resources: Resources) -> Plan:
        workload = Workload.predict(dag, self.predictions, self.sla)
        memory = best_memory(workload, self.platform)
        if self.start is None:
            uniform = Uniform(self.predictions, self.platform, self.sla, memory)
            plan = uniform.place(workload, resources)
        else:
            plan = self.start.plan(dag, replace(resources, memory_mb=memory))
        reduction = Reduction(plan, workload, self.platform)
        reduction.limit *= 1 + self.slack
        reduction.limit = max(reduction.limit, self.limit_seconds)
        plan = replace(plan, planner=self.name, memory_mb=reduction.run())
        return predict_timeline(plan, workload, self.platform, resources).predicted_plan()


def best_memory(workload: Workload, platform: Platform) -> int:
    """The smallest size beyond which nothing gets faster."""
    sizes = platform.fitting_sizes(workload)
    fastest = workload.seconds(sizes[-1]).sum()
    return next(size for size in sizes if workload.seconds(size).sum() <= fastest * (1 + 1e-12))


class Reduction:
    """Lowers the memory of slots as long as everything ends by ``limit``."""

    def __init__(self, plan: Plan, workload: Workload, platform: Platform) -> None:
        self.timeline = Incremental(plan, workload, platform)
        self.limit = self.timeline.makespan_seconds + ROUNDING_SECONDS
        self.sizes = platform.fitting_sizes(workload)

    def run(self) -> Ids:
        """Bundle → memory, once a whole round moves nothing."""
        while self._round():
            pass
        timeline = self.timeline
        memory = np.array(timeline.memory, dtype=np.int32)
        return memory[np.array(timeline.slot, dtype=np.int64)]

    def _round(self) -> bool:
        timeline = self.timeline
        latest = timeline.latest(self.limit)
        dearest_first = sorted(
            range(timeline.slot_count), key=timeline.slot_gb_seconds, reverse=True
        )
        moved = [self._lower(slot, latest) for slot in dearest_first]
        return any(moved)

    def _lower(self, slot: int, latest: list[float]) -> bool:
        """Whether the slot now has the smallest size that is cheaper and harms nobody."""
        timeline = self.timeline
        for size in self.sizes:
            if size >= timeline.memory[slot]:
                return False
            if timeline.surely_harms(slot, size, latest):
                continue
            before = timeline.gb_seconds
            trial = timeline.try_memory(slot, size)
            if timeline.makespan_seconds <= self.limit and timeline.gb_seconds < before:
                return True
            timeline.undo(trial)
        return False
