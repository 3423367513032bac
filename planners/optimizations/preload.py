"""preload: inputs that are stored well before the last one are fetched while waiting for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from planners.cost.timeline import Timeline
from planners.optimizations.annotating import Annotating
from planners.plans.annotations import Annotation, PreloadInputs


@dataclass(frozen=True)
class Preload(Annotating):
    """For bundles whose container is there before them: all but the first of its slot."""

    lead_seconds: float = 0.05  # how long before the last input an input has to be stored

    name: ClassVar[str] = "preload"

    def annotate(self, timeline: Timeline) -> tuple[Annotation, ...]:
        crossings, layout = timeline.layout.crossings, timeline.layout
        large = timeline.workload.output_bytes > timeline.platform.inline_bytes
        stored = timeline.finished[crossings.producers]
        early = stored <= timeline.ready[crossings.consumers] - self.lead_seconds
        early &= large[crossings.tasks] & ~layout.kept
        early &= timeline.plan.slots[crossings.consumers] >= 0
        early &= layout.stretch[crossings.consumers] != crossings.consumers
        early &= layout.stretch[crossings.consumers] != layout.stretch[crossings.producers]
        tasks, consumers = crossings.tasks[early], crossings.consumers[early]
        bundles, firsts = np.unique(consumers, return_index=True)
        groups = np.split(tasks, firsts[1:]) if len(bundles) else []
        return tuple(
            PreloadInputs(
                saves_seconds=self._saved(timeline, bundle, group.tolist()),
                bundle=bundle,
                tasks=tuple(group.tolist()),
            )
            for bundle, group in zip(bundles.tolist(), groups, strict=True)
        )

    def _saved(self, timeline: Timeline, bundle: int, tasks: list[int]) -> float:
        download = timeline.workload.download
        total = float(timeline.layout.fetch_bytes[bundle])
        left = total - float(timeline.workload.output_bytes[tasks].sum())
        after = download.at(left) if left > 0 else 0.0
        return (download.at(total) if total else 0.0) - after
