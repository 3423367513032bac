"""Edges: between the bundles of a plan, and where each has its bit."""

from __future__ import annotations

import numpy as np

from dask_serverless.worker.bundle import Child
from planners.graph.dag import Dag
from planners.plans.bundles import Bundles
from planners.plans.plan import Plan

MOST_BESIDE = 16  # edges of a bundle's children


class Edges:
    """Where each edge has its bit, and what each bundle takes and gives."""

    def __init__(self, dag: Dag, plan: Plan, bundles: Bundles) -> None:
        self.tasks = bundles.edge_tasks.tolist()
        if not self.tasks:
            return
        self.slots = plan.slots.tolist()
        self.input_offsets = bundles.input_offsets.tolist()
        self.output_offsets = bundles.output_offsets.tolist()
        self.consumers = bundles.edge_consumers.tolist()
        self.producers = bundles.edge_producers.tolist()
        self.output_edges = bundles.output_edges.tolist()
        widths = -(-np.diff(bundles.input_offsets) // 8)  # whole bytes
        self.first_bytes = np.concatenate(([0], np.cumsum(widths))).tolist()
        self.uses = np.bincount(bundles.edge_tasks, minlength=dag.tasks).tolist()

    def inputs(self, bundle: int) -> list[int]:
        if not self.tasks:
            return []
        return self.tasks[self.input_offsets[bundle] : self.input_offsets[bundle + 1]]

    def given(self, bundle: int) -> tuple[int, ...]:
        """The outputs of its edges, in the order of its children's bits; none where all are one."""
        if not self.tasks:
            return ()
        mine = self.output_edges[self.output_offsets[bundle] : self.output_offsets[bundle + 1]]
        tasks = tuple([self.tasks[edge] for edge in mine])
        return tasks if len(set(tasks)) > 1 else ()

    def beside(self, bundle: int) -> tuple[int, ...]:
        """Others that its children wait for, where these are few."""
        mine = self.output_edges[self.output_offsets[bundle] : self.output_offsets[bundle + 1]]
        children = {self.consumers[edge] for edge in mine}
        first, last = self.input_offsets[:-1], self.input_offsets[1:]
        edges = [edge for child in children for edge in range(first[child], last[child])]
        if len(edges) > MOST_BESIDE:
            return ()
        return tuple(sorted({self.producers[edge] for edge in edges} - {bundle}))

    def children(self, bundle: int) -> list[Child]:
        if not self.tasks:
            return []
        mine = self.output_edges[self.output_offsets[bundle] : self.output_offsets[bundle + 1]]
        bits: dict[int, list[int]] = {}
        for edge in mine:
            child = self.consumers[edge]
            bit = 8 * self.first_bytes[child] + edge - self.input_offsets[child]
            bits.setdefault(child, []).append(bit)
        return [
            Child(
                child,
                self.slots[child],
                self.first_bytes[child],
                self.input_offsets[child + 1] - self.input_offsets[child],
                theirs,
            )
            for child, theirs in bits.items()
        ]
