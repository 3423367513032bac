"""non_uniform: best memory everywhere, then less wherever that does not harm the makespan."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np

from planners.dag import Dag
from planners.incremental import ROUNDING_SECONDS, Incremental
from planners.plan import Plan, Resources
from planners.platform import Platform
from planners.predictions import Predictions, Sla
from planners.timeline import predict_timeline
from planners.uniform import Uniform
from planners.workload import Workload


@dataclass(frozen=True)
class NonUniform:
    """Starts from ``uniform`` with the best memory, and gives back what nobody waits for.

    Slots that cost most come first, each tries the smallest size first, and rounds go on until
    nothing moves. ``slack`` is the share of the makespan that may be given for it.
    """

    predictions: Predictions
    platform: Platform = field(default_factory=Platform)
    sla: Sla = "average"
    slack: float = 0.0

    name: ClassVar[str] = "non_uniform"

    def plan(self, dag: Dag, resources: Resources) -> Plan:
        workload = Workload.predict(dag, self.predictions, self.sla)
        memory = best_memory(workload, self.platform)
        start = Uniform(self.predictions, self.platform, self.sla, memory)
        return self.reduce(start.place(workload, resources), workload, resources)

    def reduce(self, plan: Plan, workload: Workload, resources: Resources) -> Plan:
        """The same slots with less memory; ``plan`` is any whose bundles all have slots."""
        reduced = Reduction(plan, workload, self.platform, self.slack).run()
        plan = replace(plan, planner=self.name, memory_mb=reduced)
        timeline = predict_timeline(plan, workload, self.platform, resources)
        return replace(plan, prediction=timeline.prediction())


def best_memory(workload: Workload, platform: Platform) -> int:
    """The smallest size beyond which nothing gets faster."""
    sizes = platform.fitting_sizes(workload)
    fastest = workload.seconds(sizes[-1]).sum()
    return next(size for size in sizes if workload.seconds(size).sum() <= fastest * (1 + 1e-12))


class Reduction:
    def __init__(
        self, plan: Plan, workload: Workload, platform: Platform, slack: float = 0.0
    ) -> None:
        self.timeline = Incremental(plan, workload, platform)
        self.limit = self.timeline.makespan_seconds * (1 + slack) + ROUNDING_SECONDS
        self.sizes = sorted(platform.fitting_sizes(workload))
        self.plan = plan

    def run(self) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
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
