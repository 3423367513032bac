"""structural: bundles from the shape of the graph alone; needs no numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from planners.arrays import Ids
from planners.chains import chain_of_tasks
from planners.dag import Dag
from planners.growing import grow
from planners.plan import FLEXIBLE, Plan, Resources
from planners.quotient import Quotient

BUNDLES_PER_CONTAINER = 8


@dataclass(frozen=True)
class Structural:
    name: ClassVar[str] = "structural"
    capacity: int | None = None

    def plan(self, dag: Dag, resources: Resources) -> Plan:
        containers = max(resources.containers, 1)
        chains = chain_of_tasks(dag)
        count = int(chains.max()) + 1 if dag.tasks else 0
        graph = Quotient.of(dag, chains, count)
        capacity = self.capacity or max(1, dag.tasks // (containers * BUNDLES_PER_CONTAINER))
        groups, phases = grow(graph, capacity)
        bundles_of_chains = pack(graph, groups, phases, capacity, containers)
        bundles = bundles_of_chains[chains]
        n = int(bundles.max()) + 1 if dag.tasks else 0
        return Plan(
            planner=self.name,
            bundles=bundles,
            slots=np.full(n, FLEXIBLE, dtype=np.int32),
            memory_mb=np.full(n, resources.memory_mb, dtype=np.int32),
        )


def pack(graph: Quotient, groups: Ids, phases: Ids, capacity: int, containers: int) -> Ids:
    """Node → bundle: neighbouring groups of a phase together, evenly filled up to the capacity."""
    nodes = graph.groups
    weights = np.minimum(np.bincount(groups, weights=graph.weights, minlength=nodes), capacity)
    names = np.flatnonzero(weights)  # every group holds its own name
    firsts = np.full(nodes, nodes, dtype=np.int32)
    np.minimum.at(firsts, groups, np.arange(nodes, dtype=np.int32))
    order = names[np.lexsort((firsts[names], phases[names]))]
    weights, phase = weights[order], phases[order]
    count = int(phase.max()) + 1 if nodes else 0
    per_phase = np.bincount(phase, weights=weights, minlength=count)
    bins = np.ceil(per_phase / capacity)
    bins = np.where(bins > containers, np.ceil(bins / containers) * containers, bins)
    bins = np.minimum(bins, np.bincount(phase, minlength=count))
    before = np.cumsum(weights) - weights / 2 - (np.cumsum(per_phase) - per_phase)[phase]
    bin_ = np.floor(before * (bins / np.maximum(per_phase, 1))[phase] + 1e-9).astype(np.int64)
    key = phase.astype(np.int64) * (nodes + 1) + bin_
    bundle = np.cumsum(np.diff(key, prepend=-1) > 0) - 1
    result = np.empty(nodes, dtype=np.int32)
    result[order] = bundle
    return result[groups]
