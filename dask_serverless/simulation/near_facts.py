"""Near facts: what every bundle may keep in its container's memory, as the encoder tells it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dask_serverless.coordination.base import Submission
from dask_serverless.simulation.facts import NOTHING_RELEASED, Facts
from dask_serverless.simulation.model import BackendModel
from dask_serverless.translation.encode import holds_back, near_of
from dask_serverless.worker.bundle import BundleSpec, pack_children
from planners.cost.platform import Platform
from planners.numbers.workload import Workload
from planners.plans.annotations import CheckFanIn, DuplicateTask, HoldOutput, KeepChildren
from planners.plans.bundles import bundles_of
from planners.plans.plan import Plan

HEEDED = (CheckFanIn, DuplicateTask, HoldOutput, KeepChildren)
INLINE_BYTES = 16 << 10  # travel in the call itself


class NearFacts(Facts):
    def __init__(
        self,
        workload: Workload,
        plan: Plan,
        platform: Platform,
        model: BackendModel,
        due: Sequence[int] = (),
    ) -> None:
        super().__init__(workload, plan, platform, model, due)
        self.between = bundles_of(workload.dag, plan)
        self.near, self.holds = near_of(plan), holds_back(plan)
        self.wanted, self.sizes = workload.dag.wanted, workload.output_bytes

    def heeded(self, plan: Plan) -> tuple[object, ...]:
        return tuple(note for note in plan.annotations if isinstance(note, HEEDED))

    def submission(self, epoch: str, containers: int) -> Submission:
        return replace(super().submission(epoch, containers), spread=self.holds)

    def outputs_of(self, bundle: int) -> dict[int, float]:
        """What others need of it, in bytes by task."""
        tasks = self.between.tasks_of(bundle)
        stored = tasks[self.between.stored[tasks]]
        return dict(zip(stored.tolist(), self.sizes[stored].tolist(), strict=True))

    def may_wait(self, task: int, size: float) -> bool:
        return size > INLINE_BYTES and not self.wanted[task]

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
