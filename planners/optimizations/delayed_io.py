"""delayed_io: a big output for a fan-in is held back for a while; the fan-in may become ours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from planners.cost.timeline import Timeline
from planners.optimizations.annotating import Annotating
from planners.plans.annotations import Annotation, HoldOutput


@dataclass(frozen=True)
class DelayedIo(Annotating):
    """For the biggest input of a fan-in, if the other inputs come while it would be stored."""

    least_seconds: float = 0.01  # do not bother for less

    name: ClassVar[str] = "delayed_io"

    def annotate(self, timeline: Timeline) -> tuple[Annotation, ...]:
        biggest: dict[int, tuple[float, int]] = {}
        for bundle, child, size in timeline.layout.fan_ins():
            biggest[child] = max(biggest.get(child, (0.0, bundle)), (size, bundle))
        notes = (
            self._note(timeline, bundle, child, size) for child, (size, bundle) in biggest.items()
        )
        return tuple(note for note in notes if note is not None)

    def _note(self, timeline: Timeline, bundle: int, child: int, size: float) -> HoldOutput | None:
        workload = timeline.workload
        worth = workload.upload.at(size) + workload.download.at(size)
        worth += timeline.layout.repacking(bundle, child)
        computed = float(timeline.fetched[bundle] + timeline.layout.exec_seconds[bundle])
        others = timeline.layout.crossings.producers_of(child)
        last = float(timeline.finished[others[others != bundle]].max())
        saved = worth - max(last - computed, 0.0)
        if saved < self.least_seconds:
            return None
        return HoldOutput(saves_seconds=saved, bundle=bundle, child=child, wait_seconds=worth)
