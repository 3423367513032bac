"""structural: bundles from the shape of the graph alone; needs no numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from planners.arrays import Flags, Ids, places_in
from planners.chains import chain_of_tasks
from planners.dag import Dag
from planners.growing import grow
from planners.packing import pack
from planners.pieces import piece_groups
from planners.plan import FLEXIBLE, Plan, Resources
from planners.quotient import Quotient
from planners.trial import Trial, run_trial

BUNDLES_PER_CONTAINER = 8  # so that one slow bundle does not hold up the end
LARGEST_CAPACITY = 4096  # tasks: a bundle is also what is run again when a container is lost
GOOD_STRETCH = 1.1


@dataclass(frozen=True)
class Structural:
    """Groups that grow from producers to users, packed into bundles of one phase.

    How long tasks take is unknown, so a coarse grouping is tried first: it is the best one for
    tiny tasks. Where a trial on paper shows that it costs parallelism, as in deep and narrow
    graphs, finer ones are tried, and the one with the least regret over tiny and long tasks stays.
    """

    name: ClassVar[str] = "structural"

    def plan(self, dag: Dag, resources: Resources) -> Plan:
        containers = max(resources.containers, 1)
        bundle_of, bundles = _bundles(dag, containers)
        return Plan(
            planner=self.name,
            bundles=bundle_of,
            slots=np.full(bundles, FLEXIBLE, dtype=np.int32),
            memory_mb=np.full(bundles, resources.memory_mb, dtype=np.int32),
        )


def _bundles(dag: Dag, containers: int) -> tuple[Ids, int]:
    if dag.tasks <= 1:
        return np.zeros(dag.tasks, dtype=np.int32), dag.tasks
    capacity = -(-dag.tasks // (containers * BUNDLES_PER_CONTAINER))
    capacity = min(capacity, LARGEST_CAPACITY)
    graph, node_of = _without_chains_and_pieces(dag, capacity, containers)
    best = _best_trial(graph, dag.tasks, capacity, containers)
    return best.bundle_of[node_of], best.bundles


def _without_chains_and_pieces(dag: Dag, capacity: int, containers: int) -> tuple[Quotient, Ids]:
    """The graph with what is sure to stay together as one node; and task → node."""
    node_of = chain_of_tasks(dag)
    graph = Quotient.of_tasks(dag)
    nodes = int(node_of.max()) + 1
    if nodes < dag.tasks:
        graph = graph.merged(node_of, nodes)
    pieces, nodes = piece_groups(graph, capacity, containers)
    if nodes < graph.nodes:
        graph, node_of = graph.merged(pieces, nodes), pieces[node_of]
    return graph, node_of


def _best_trial(graph: Quotient, tasks: int, capacity: int, containers: int) -> Trial:
    trial = _depth_first(graph, tasks, capacity, containers)
    if trial.stretch() > GOOD_STRETCH:
        return _finer(graph, tasks, capacity, containers, trial)
    if len(trial.travelling) > 2 * trial.bundles:
        return _with_less_traffic(graph, tasks, capacity, containers, trial)
    return trial


def _depth_first(graph: Quotient, tasks: int, capacity: int, containers: int) -> Trial:
    groups, phases = grow(graph, capacity, capacity)
    return _packed(graph, groups, phases, tasks, capacity, containers)


def _level_by_level(
    graph: Quotient,
    tasks: int,
    capacity: int,
    merge_capacity: int,
    containers: int,
    apart: Flags | None = None,
) -> Trial:
    order = graph.by_level()
    places = places_in(order)
    apart = None if apart is None else apart[order]
    groups, phases = grow(graph.reordered(order), capacity, merge_capacity, apart)
    return _packed(graph, order[groups][places], phases[places], tasks, capacity, containers)


def _with_less_traffic(
    graph: Quotient, tasks: int, capacity: int, containers: int, trial: Trial
) -> Trial:
    """Another way to cut the graph, if it is as good but moves clearly less.

    Sizes are unknown, but what is read first tends to be larger than what is made of it later.
    """
    sizes = 1.0 / (1 + graph.work_before) ** 2
    best = trial
    for other, share in (
        # What shares blocks gets together before what adds the results up.
        (_level_by_level(graph, tasks, capacity, capacity, containers), 0.8),
        # What takes blocks from a few others only, as a rechunk does, may fall apart into parts
        # that exchange nothing, if only a bundle may hold such a part.
        (_depth_first(graph, tasks, 2 * capacity, containers), 0.5),
    ):
        less = sizes[other.travelling].sum() < share * sizes[best.travelling].sum()
        if less and other.stretch() < GOOD_STRETCH:
            best = other
    return best


def _finer(graph: Quotient, tasks: int, capacity: int, containers: int, trial: Trial) -> Trial:
    """The least regret of ``trial`` and of what comes after it, at less capacity each time."""
    # Depth first, the groups of a stencil become diagonal stripes that run one after the other.
    # Level by level, and merged only up to half of what they hold, they become trapezoids.
    # A trapezoid as wide as a container's part of the graph, and as high:
    trapezoid = max(2, int(tasks / graph.longest_path / containers) ** 2)
    apart = graph.sidelined()
    best = trial
    while (
        capacity > 1
        and best.stretch(graph.longest_path) > GOOD_STRETCH
        and not trial.finer_is_hopeless(graph.longest_path, best)
    ):
        capacity = max(1, capacity // 4)
        if trial is not best:
            capacity = min(capacity, trapezoid)
        half = max(1, capacity // 2)
        trial = _level_by_level(graph, tasks, capacity, half, containers, apart)
        best = min(best, trial, key=lambda each: each.regret)
    return best


def _packed(
    graph: Quotient, groups: Ids, phases: Ids, tasks: int, capacity: int, containers: int
) -> Trial:
    depth = int(phases.max()) + 1
    # Few tasks may be long ones: a phase feeds every container, as long as that is affordable.
    affordable = max(BUNDLES_PER_CONTAINER * containers, tasks // 32) // depth
    spread = min(4 * containers, affordable) if affordable >= containers else 1
    bundle_of, bundles = pack(graph, groups, phases, capacity, containers, spread)
    return run_trial(graph, bundle_of, bundles, containers)
