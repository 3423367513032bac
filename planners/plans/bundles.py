"""Bundles: what a plan makes of a Dag, as the arrays from which bundles are sent off."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from planners.graph.arrays import Flags, Ids, Offsets, offsets_from_counts, unique_pairs
from planners.graph.dag import Dag
from planners.plans.plan import Plan


@dataclass(frozen=True, eq=False)
class Bundles:
    """The tasks of every bundle and the edges between bundles.

    An edge is a task and a bundle that needs its output, counted once however many tasks of that
    bundle take it: ``edge_tasks[i]`` goes from bundle ``edge_producers[i]`` to bundle
    ``edge_consumers[i]``. Edges are ordered by consumer and then by task.
    """

    task_offsets: Offsets
    tasks: Ids  # tasks[task_offsets[b]:task_offsets[b + 1]]: of bundle b, in execution order
    edge_tasks: Ids
    edge_producers: Ids
    edge_consumers: Ids
    stored: Flags  # per task: another bundle or the client needs its output

    @property
    def count(self) -> int:
        return len(self.task_offsets) - 1

    @cached_property
    def input_offsets(self) -> Offsets:
        """``edge_tasks[input_offsets[b]:input_offsets[b + 1]]`` are what bundle b waits for."""
        return offsets_from_counts(np.bincount(self.edge_consumers, minlength=self.count))

    @cached_property
    def roots(self) -> Ids:
        """The bundles that wait for nothing."""
        waits = np.zeros(self.count, dtype=np.bool_)
        waits[self.edge_consumers] = True
        return np.flatnonzero(~waits).astype(np.int32)

    @cached_property
    def output_offsets(self) -> Offsets:
        """``output_edges[output_offsets[b]:output_offsets[b + 1]]`` leave bundle b."""
        return offsets_from_counts(np.bincount(self.edge_producers, minlength=self.count))

    @cached_property
    def output_edges(self) -> Ids:
        """Edge ids grouped by producing bundle, within it by consuming bundle and task."""
        return np.argsort(self.edge_producers, kind="stable").astype(np.int32)

    def tasks_of(self, bundle: int) -> Ids:
        return self.tasks[self.task_offsets[bundle] : self.task_offsets[bundle + 1]]


def bundles_of(dag: Dag, plan: Plan) -> Bundles:
    """The bundles of a valid plan; array work, the same few calls for any size."""
    if len(plan.slots) == 1:
        return _only_one(dag)
    bundles = plan.bundles
    producers, consumers = bundles[dag.inputs], bundles[dag.edge_users]
    crossing = producers != consumers
    crossing_tasks = dag.inputs[crossing]
    edge_consumers, edge_tasks = unique_pairs(consumers[crossing], crossing_tasks, dag.tasks)
    stored = dag.wanted.copy()
    stored[crossing_tasks] = True
    return Bundles(
        task_offsets=offsets_from_counts(np.bincount(bundles, minlength=len(plan.slots))),
        tasks=np.argsort(bundles, kind="stable").astype(np.int32),
        edge_tasks=edge_tasks,
        edge_producers=bundles[edge_tasks],
        edge_consumers=edge_consumers,
        stored=stored,
    )


def _only_one(dag: Dag) -> Bundles:
    """All tasks in one bundle: the same without looking at edges, for graphs of a millisecond."""
    none = np.empty(0, dtype=np.int32)
    return Bundles(
        task_offsets=np.array([0, dag.tasks]),
        tasks=np.arange(dag.tasks, dtype=np.int32),
        edge_tasks=none,
        edge_producers=none,
        edge_consumers=none,
        stored=dag.wanted,
    )
