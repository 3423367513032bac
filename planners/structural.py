"""structural: bundles from the shape of the graph alone; needs no numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from planners.graph.arrays import Ids
from planners.graph.chains import chain_of_tasks
from planners.graph.dag import Dag
from planners.graph.quotient import Quotient
from planners.grouping.groupings import Groupings, coarse_capacity
from planners.grouping.pieces import piece_groups
from planners.plans.plan import FLEXIBLE, Plan, Resources


@dataclass(frozen=True)
class Structural:
    """Groups that grow from producers to users, packed into bundles of one phase.

    How long tasks take is unknown, so a coarse grouping is tried first: it is the best one for
    tiny tasks. Where a trial on paper shows that it costs parallelism, as in deep and narrow
    graphs, finer ones are tried, and the one with the least regret over tiny and long tasks stays.
    Bundle ids are in order of urgency: of several ready bundles, the lowest had better run first.
    """

    name: ClassVar[str] = "structural"

    def plan(self, dag: Dag, resources: Resources) -> Plan:
        bundle_of, bundles = _bundles(dag, max(resources.containers, 1))
        return Plan(
            planner=self.name,
            bundles=bundle_of,
            slots=np.full(bundles, FLEXIBLE, dtype=np.int32),
            memory_mb=np.full(bundles, resources.memory_mb, dtype=np.int32),
        )


def _bundles(dag: Dag, containers: int) -> tuple[Ids, int]:
    if dag.tasks <= 1:
        return np.zeros(dag.tasks, dtype=np.int32), dag.tasks
    graph, node_of = _without_chains_and_pieces(dag, containers)
    best = Groupings(graph, dag.tasks, containers).best()
    return best.bundle_of[node_of], best.bundles


def _without_chains_and_pieces(dag: Dag, containers: int) -> tuple[Quotient, Ids]:
    """The graph with what is sure to stay together as one node; and task → node."""
    node_of = chain_of_tasks(dag)
    graph = Quotient.of_tasks(dag)
    nodes = int(node_of.max()) + 1
    if nodes < dag.tasks:
        graph = graph.merged(node_of, nodes)
    capacity = coarse_capacity(dag.tasks, containers)
    pieces, nodes = piece_groups(graph, capacity, containers)
    if nodes < graph.nodes:
        graph, node_of = graph.merged(pieces, nodes), pieces[node_of]
    return graph, node_of
