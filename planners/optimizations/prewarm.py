"""prewarm: containers are started shortly before a bundle would meet a cold start."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from planners.cost.timeline import Timeline
from planners.optimizations.annotating import Annotating
from planners.plans.annotations import SUBMISSION, Annotation, StartContainers


@dataclass(frozen=True)
class Prewarm(Annotating):
    """For cold starts that can be seen coming: something begins a cold start's time before them."""

    margin_seconds: float = 0.1  # how much sooner than expected the container should be there
    window_seconds: float = 0.1  # containers needed within this time are started together

    name: ClassVar[str] = "prewarm"

    def annotate(self, timeline: Timeline) -> tuple[Annotation, ...]:
        containers = timeline.containers
        order = np.argsort(timeline.begun, kind="stable")
        begun = timeline.begun[order]
        wanted: Counter[tuple[int, int, int]] = Counter()
        for container in np.flatnonzero(containers.cold).tolist():
            size = int(containers.memory_mb[container])
            lead = timeline.workload.cold_start(size) + self.margin_seconds
            moment = float(containers.invoked[container]) - lead
            if moment < 0:
                continue  # nothing can be started before the run
            window = int(moment // self.window_seconds) if self.window_seconds else 0
            place = int(np.searchsorted(begun, window * self.window_seconds, side="right")) - 1
            wanted[size, window, int(order[place]) if place >= 0 else SUBMISSION] += 1
        return tuple(
            self._note(timeline, size, window, trigger, count)
            for (size, window, trigger), count in sorted(wanted.items())
        )

    def _note(
        self, timeline: Timeline, size: int, window: int, trigger: int, count: int
    ) -> StartContainers:
        cold, warm = timeline.workload.cold_start(size), timeline.workload.warm_start(size)
        begun = 0.0 if trigger == SUBMISSION else float(timeline.begun[trigger])
        return StartContainers(
            saves_seconds=max(cold - warm, 0.0),
            trigger=trigger,
            memory_mb=size,
            containers=count,
            delay_seconds=max(window * self.window_seconds - begun, 0.0),
        )
