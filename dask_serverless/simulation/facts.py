"""Facts: what every bundle of a plan takes and gives, before time passes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from dask_serverless.coordination.base import Report, Submission
from dask_serverless.simulation.model import BackendModel
from dask_serverless.translation.edges import Edges
from dask_serverless.worker.bundle import front, pack_children, pack_releases
from planners.cost.layout import Layout, lay_out
from planners.cost.platform import Platform
from planners.graph.arrays import offsets_from_counts
from planners.numbers.predictions import transfer_seconds
from planners.numbers.workload import Workload
from planners.plans.annotations import Annotation
from planners.plans.bundles import Bundles, bundles_of
from planners.plans.plan import Plan

FOREVER_MS = 10**15  # the leases: nobody is lost here
PLATFORM_ANSWER_MS = 10_000  # as on platforms that start a container for each request
NOTHING_RELEASED = pack_releases(())


def numbers(values: npt.NDArray[Any]) -> Sequence[Any]:
    """Plain numbers, made one by one as they are asked for: a list takes four times the memory."""
    return values.data


class Facts:
    """By bundle, as the encoder and the cost model have them.

    Annotations are not heeded here; see ``NearFacts`` and ``AheadFacts``.
    """

    heeded: tuple[type[Annotation], ...] = ()  # annotations that make a difference here

    def __init__(
        self,
        workload: Workload,
        plan: Plan,
        platform: Platform,
        model: BackendModel,
        due: Sequence[int] = (),
    ) -> None:
        self.due = due
        self.inline_bytes = platform.inline_bytes
        self.slotted = bool((plan.slots >= 0).any())
        dag = workload.dag
        notes = tuple([note for note in plan.annotations if isinstance(note, self.heeded)])
        plan = replace(plan, annotations=notes)
        layout = lay_out(plan, workload, platform)
        crossings = layout.crossings
        between = bundles_of(dag, plan)
        self.count = layout.bundles
        self.roots = between.roots.tolist()
        self.root_tasks = int(np.count_nonzero(dag.input_counts == 0))
        self.edges = Edges(dag, plan, between)
        self.slots = numbers(plan.slots)
        self.memory_mb = numbers(layout.memory_mb)
        self.running = numbers(layout.exec_seconds)
        self.stored_bytes = numbers(layout.store_bytes)
        storing = transfer_seconds(model.upload_line, layout.store_bytes)
        self.storing = numbers(layout.pack_seconds + storing)
        self.constant_bytes = numbers(layout.constant_bytes)
        self.producers = numbers(crossings.pair_producers)
        self.producer_bytes = numbers(layout.pair_fetch_bytes)
        self.unpacking = numbers(layout.pair_unpack_seconds)
        counts = np.bincount(crossings.pair_consumers, minlength=self.count)
        self.producer_offsets = numbers(offsets_from_counts(counts))
        self.learn(workload, layout, between)

    def learn(self, workload: Workload, layout: Layout, between: Bundles) -> None:
        """What else to know of the plan as it is heeded here."""

    def submission(self, epoch: str, containers: int, invited: int) -> Submission:
        return Submission(
            epoch=epoch,
            bundles=self.count,
            containers=containers,
            lease_ms=FOREVER_MS,
            attempts=1,
            live_seconds=1,
            header=b"",
            specs=[front(self.slots[b], self.edges.inputs(b)) for b in range(self.count)],
            blobs=(),
            ready=[(bundle, self.slots[bundle]) for bundle in self.roots],
            slotted=self.slotted,
            due=self.due,
            invited=invited,
            answer_ms=PLATFORM_ANSWER_MS,
        )

    def report(self, bundle: int, claim: str) -> Report:
        """Outputs are sizes here: where they are, nobody has to know."""
        children = pack_children(self.edges.children(bundle))
        return Report(bundle, claim, (), children, NOTHING_RELEASED, b"")
