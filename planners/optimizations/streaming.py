"""streaming: outputs leave as soon as they are made, and are fetched while they are stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from planners.cost.coming import PART_BYTES, Coming
from planners.cost.timeline import Timeline
from planners.graph.arrays import Flags
from planners.numbers.predictions import left_to_store
from planners.optimizations.annotating import Annotating
from planners.plans.annotations import Annotation, StreamInputs, StreamOutputs
from planners.plans.succession import NONE


@dataclass(frozen=True)
class Streaming(Annotating):
    """For bundles whose early outputs are stored before their last task is done, and for those
    whose container is there before them, and waits for what others store.
    """

    least_seconds: float = 0.01  # do not bother for less
    idle_seconds: float = 0.9  # so long after its last bundle, a container still waits for parts

    name: ClassVar[str] = "streaming"

    def annotate(self, timeline: Timeline) -> tuple[Annotation, ...]:
        return (*self._given(timeline), *self._taken(timeline))

    def _given(self, timeline: Timeline) -> tuple[Annotation, ...]:
        return tuple(
            note
            for bundle, tasks in timeline.layout.stored_by_bundle().items()
            if len(tasks) > 1 and (note := self._early(timeline, bundle, tasks)) is not None
        )

    def _early(self, timeline: Timeline, bundle: int, tasks: list[int]) -> StreamOutputs | None:
        sizes = timeline.workload.output_bytes[tasks]
        upload, exec_seconds = timeline.workload.upload, float(timeline.layout.exec_seconds[bundle])
        ends = timeline.task_completed[tasks] - timeline.fetched[bundle]
        worth = upload.base + upload.per_byte * sizes <= exec_seconds - ends
        worth &= sizes > timeline.platform.inline_bytes
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

    def _taken(self, timeline: Timeline) -> tuple[Annotation, ...]:
        crossings = timeline.layout.crossings
        rows = self._streamable(timeline)
        tasks, consumers = crossings.tasks[rows], crossings.consumers[rows]
        bundles, firsts = np.unique(consumers, return_index=True)
        groups = np.split(tasks, firsts[1:]) if len(bundles) else []
        notes = (
            self._ahead(timeline, bundle, group.tolist())
            for bundle, group in zip(bundles.tolist(), groups, strict=True)
        )
        return tuple(note for note in notes if note is not None)

    def _streamable(self, timeline: Timeline) -> Flags:
        """Edges whose taker's container is there when their output is stored."""
        layout, slots = timeline.layout, timeline.plan.slots
        crossings = layout.crossings
        producers, consumers = crossings.producers, crossings.consumers
        before = np.full(layout.bundles, NONE)
        before[layout.next[layout.next != NONE]] = np.flatnonzero(layout.next != NONE)
        came_before = before[consumers]
        computed = timeline.fetched + layout.exec_seconds
        idle = computed[producers] - timeline.finished[came_before]
        fits = (slots[consumers] >= 0) & (came_before != NONE) & (idle <= self.idle_seconds)
        fits &= (layout.stretch[consumers] != layout.stretch[producers]) & ~layout.kept
        least = max(PART_BYTES, timeline.platform.inline_bytes)
        fits &= timeline.workload.output_bytes[crossings.tasks] > least
        return np.asarray(fits)

    def _ahead(self, timeline: Timeline, bundle: int, tasks: list[int]) -> StreamInputs | None:
        """What it saves if all comes as late as the last of it."""
        download, coming = timeline.workload.download, Coming(0.0, 0.0)
        for task in tasks:
            coming = coming.and_one_of(float(timeline.workload.output_bytes[task]))
        total = max(float(timeline.layout.fetch_bytes[bundle]), coming.nbytes)
        rest = total - coming.nbytes
        after = max(
            coming.here(-coming.nbytes * timeline.workload.upload.per_byte, 0.0, download), 0.0
        )
        saved = download.at(total) - after - (download.at(rest) if rest > 0 else 0.0)
        if saved < self.least_seconds:
            return None
        return StreamInputs(saves_seconds=saved, bundle=bundle, tasks=tuple(tasks))
