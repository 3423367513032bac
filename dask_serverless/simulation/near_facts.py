"""Near facts: what every bundle may keep in its container's memory, as the encoder tells it."""

from __future__ import annotations

from dataclasses import replace

from dask_serverless.coordination.base import Submission
from dask_serverless.simulation.facts import NOTHING_RELEASED, Facts
from dask_serverless.translation.asked import holds_back, near_of
from dask_serverless.worker.bundle import BundleSpec, pack_children
from planners.cost.layout import Layout
from planners.numbers.workload import Workload
from planners.plans.annotations import (
    Annotation,
    CheckFanIn,
    DuplicateTask,
    HoldOutput,
    KeepChildren,
)
from planners.plans.bundles import Bundles


class NearFacts(Facts):
    heeded: tuple[type[Annotation], ...] = (CheckFanIn, DuplicateTask, HoldOutput, KeepChildren)

    def learn(self, workload: Workload, layout: Layout, between: Bundles) -> None:
        self.between = between
        self.near, self.holds = near_of(layout.plan), holds_back(layout.plan)
        self.wanted, self.sizes = workload.dag.wanted, workload.output_bytes
        self.packing = workload.packing

    def submission(self, epoch: str, containers: int, invited: int) -> Submission:
        return replace(super().submission(epoch, containers, invited), spread=self.holds)

    def outputs_of(self, bundle: int) -> dict[int, float]:
        """What others need of it, in bytes by task."""
        tasks = self.between.tasks_of(bundle)
        stored = tasks[self.between.stored[tasks]]
        return dict(zip(stored.tolist(), self.sizes[stored].tolist(), strict=True))

    def may_wait(self, task: int, size: float) -> bool:
        return size > self.inline_bytes and not self.wanted[task]

    def spec(self, bundle: int) -> BundleSpec:
        """As far as anybody looks at it."""
        stored = tuple(self.outputs_of(bundle))
        return BundleSpec(
            slot=self.slots[bundle],
            inputs=(),
            program=[],
            constants={},
            pickled={},
            hoisted={},
            stored=stored,
            wanted=tuple(task for task in stored if self.wanted[task]),
            children=pack_children(self.edges.children(bundle)),
            releases=NOTHING_RELEASED,
            given=self.edges.given(bundle),
            near=self.near.get(bundle),
            beside=self.edges.beside(bundle) if self.holds else None,
        )
