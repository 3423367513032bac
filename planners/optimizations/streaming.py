"""streaming: outputs of a bundle's earlier tasks leave while its later tasks still run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from planners.cost.timeline import Timeline
from planners.numbers.predictions import left_to_store
from planners.optimizations.annotating import Annotating
from planners.plans.annotations import Annotation, StreamOutputs


@dataclass(frozen=True)
class Streaming(Annotating):
    """For bundles where early uploads are done before the last task is, and worth their latency."""

    least_seconds: float = 0.01  # do not bother for less

    name: ClassVar[str] = "streaming"

    def annotate(self, timeline: Timeline) -> tuple[Annotation, ...]:
        return tuple(
            note
            for bundle, tasks in timeline.layout.stored_by_bundle().items()
            if len(tasks) > 1 and (note := self._note(timeline, bundle, tasks)) is not None
        )

    def _note(self, timeline: Timeline, bundle: int, tasks: list[int]) -> StreamOutputs | None:
        sizes = timeline.workload.output_bytes[tasks]
        upload, exec_seconds = timeline.workload.upload, float(timeline.layout.exec_seconds[bundle])
        ends = timeline.task_completed[tasks] - timeline.fetched[bundle]
        worth = (sizes > 0) & (upload.base + upload.per_byte * sizes <= exec_seconds - ends)
        early = [
            (float(end), float(size)) for end, size in zip(ends[worth], sizes[worth], strict=True)
        ]
        rest = float(sizes[~worth].sum())
        before = upload.at(float(sizes.sum()))
        saved = before - left_to_store(early, rest, exec_seconds, upload)
        if not early or saved < self.least_seconds:
            return None
        chosen = np.array(tasks)[worth].tolist()
        return StreamOutputs(saves_seconds=saved, bundle=bundle, tasks=tuple(chosen))
