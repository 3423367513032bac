"""Ahead facts: what is fetched before its bundle begins, and stored before its bundle ends."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dask_serverless.simulation.near_facts import NearFacts
from dask_serverless.translation.asked import ahead_of, starts_of
from dask_serverless.translation.streams import Streams
from planners.cost.coming import MOST_PARTS, PART_BYTES
from planners.cost.layout import Layout
from planners.graph.arrays import Ids
from planners.numbers.workload import Workload
from planners.plans.annotations import (
    PreloadInputs,
    StartContainers,
    StreamInputs,
    StreamOutputs,
)
from planners.plans.bundles import Bundles

AHEAD = (PreloadInputs, StartContainers, StreamInputs, StreamOutputs)


class AheadFacts(NearFacts):
    heeded = (*NearFacts.heeded, *AHEAD)

    def learn(self, workload: Workload, layout: Layout, between: Bundles) -> None:
        super().learn(workload, layout, between)
        plan = layout.plan
        self.bundle_of = plan.bundles
        self.wants, self.streams = ahead_of(plan), Streams.of_plan(plan)
        self.starts = starts_of(plan, ())
        self.task_seconds = layout.task_seconds

    def concerns(self, bundle: int) -> bool:
        """Whether anything is asked for ahead as it begins."""
        return any(bundle in asked for asked in (self.wants, self.streams.coming, self.starts))

    def size(self, task: int) -> float:
        return float(self.sizes[task])

    def parts(self, task: int) -> list[float]:
        """Bytes of the parts in which an output is stored; none, if it goes whole."""
        size = self.size(task)
        if size <= PART_BYTES or task not in self.streams.streamed.get(self.maker(task), ()):
            return []
        part = max(PART_BYTES, size / MOST_PARTS)
        count = int(np.ceil(size / part))
        return [part] * (count - 1) + [size - part * (count - 1)]

    def maker(self, task: int) -> int:
        return int(self.bundle_of[task])

    def inputs_of(self, bundle: int) -> Sequence[int]:
        return self.edges.inputs(bundle)

    def early(self, bundle: int) -> list[tuple[int, float]]:
        """Outputs that leave when they are made, and when that is, before the bundle's end."""
        asked = self.streams.early.get(bundle, ())
        if not asked:
            return []
        tasks: Ids = self.between.tasks_of(bundle)
        left = np.cumsum(self.task_seconds[tasks][::-1])[::-1] - self.task_seconds[tasks]
        stored = self.between.stored[tasks] & np.isin(tasks, asked)
        return list(zip(tasks[stored].tolist(), left[stored].tolist(), strict=True))
