"""task_dup: a cheap task with a big output is run again where it is needed, not fetched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from planners.cost.timeline import Timeline
from planners.graph.arrays import Floats, Ids, sums
from planners.numbers.predictions import transfer_seconds
from planners.numbers.workload import Workload
from planners.optimizations.annotating import Annotating
from planners.plans.annotations import Annotation, DuplicateTask


@dataclass(frozen=True)
class TaskDup(Annotating):
    """For outputs that cross between containers and take longer to fetch than to make again."""

    least_seconds: float = 0.01  # do not bother for less

    name: ClassVar[str] = "task_dup"

    def annotate(self, timeline: Timeline) -> tuple[Annotation, ...]:
        workload, crossings, layout = timeline.workload, timeline.layout.crossings, timeline.layout
        outside = layout.stretch[crossings.producers] != layout.stretch[crossings.consumers]
        tasks, consumers = crossings.tasks[outside], crossings.consumers[outside]
        fetch = transfer_seconds(workload.download, workload.output_bytes)[tasks]
        fetch += workload.unpacking[tasks]
        inputs = transfer_seconds(workload.download, workload.input_bytes)[tasks]
        inputs += sums(
            workload.dag.edge_users, workload.unpacking[workload.dag.inputs], workload.dag.tasks
        )[tasks]
        saved = fetch - timeline.task_seconds[tasks] - inputs
        worth = saved >= self.least_seconds
        if workload.dag.repeatable is not None:
            worth &= workload.dag.repeatable[tasks]
        # A copy of a copy's input would need a third look at what crosses: leave it.
        duplicated = np.zeros(workload.dag.tasks, dtype=np.bool_)
        duplicated[tasks[worth]] = True
        users = workload.dag.edge_users[duplicated[workload.dag.inputs]]
        blocked = np.zeros(workload.dag.tasks, dtype=np.bool_)
        blocked[users] = True
        worth &= ~blocked[tasks]
        saved = saved + shares_of_uploads(workload, tasks, tasks[worth])[tasks]
        return tuple(
            DuplicateTask(saves_seconds=seconds, bundle=bundle, task=task)
            for seconds, bundle, task in zip(
                saved[worth].tolist(), consumers[worth].tolist(), tasks[worth].tolist(), strict=True
            )
        )


def shares_of_uploads(workload: Workload, needed: Ids, copied: Ids) -> Floats:
    """By task, what storing it takes by the copies of it, where nobody else needs it elsewhere."""
    count = workload.dag.tasks
    copies = np.bincount(copied, minlength=count)
    spared = (copies == np.bincount(needed, minlength=count)) & ~workload.dag.wanted
    storing = transfer_seconds(workload.upload, workload.output_bytes) + workload.packing
    return np.where(spared, storing / np.maximum(copies, 1), 0.0)
