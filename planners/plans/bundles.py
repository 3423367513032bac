"""Bundles: what a plan makes of a Dag, as the arrays from which bundles are sent off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
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
    ``edge_consumers[i]``. Edges are ordered by consumer and then by task. Where a bundle runs a copy
    of another bundle's task, it needs that task's inputs instead of its output.
    """

    task_offsets: Offsets
    tasks: Ids  # tasks[task_offsets[b]:task_offsets[b + 1]]: of bundle b, in execution order
    edge_tasks: Ids
    edge_producers: Ids
    edge_consumers: Ids
    stored: Flags  # per task: another bundle or the client needs its output
    copies: Mapping[int, Sequence[int]] = field(default_factory=dict)  # bundle → others' tasks

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
    copies = _copies(plan) if plan.annotations else {}
    edge_consumers, edge_tasks = _copied(dag, plan) if copies else _crossing(dag, bundles)
    stored = dag.wanted.copy()
    stored[edge_tasks] = True
    return Bundles(
        task_offsets=offsets_from_counts(np.bincount(bundles, minlength=len(plan.slots))),
        tasks=np.argsort(bundles, kind="stable").astype(np.int32),
        edge_tasks=edge_tasks,
        edge_producers=bundles[edge_tasks],
        edge_consumers=edge_consumers,
        stored=stored,
        copies=copies,
    )


def _crossing(dag: Dag, bundles: Ids) -> tuple[Ids, Ids]:
    """Consumers and tasks of all edges."""
    consumers = bundles[dag.edge_users]
    crossing = bundles[dag.inputs] != consumers
    return unique_pairs(consumers[crossing], dag.inputs[crossing], dag.tasks)


def _copied(dag: Dag, plan: Plan) -> tuple[Ids, Ids]:
    from planners.plans.annotations import DuplicateTask  # most plans have none
    from planners.plans.crossings import Crossings

    notes = [note for note in plan.annotations if isinstance(note, DuplicateTask)]
    crossings = Crossings.of(dag, plan.bundles, len(plan.slots), notes)
    return crossings.consumers, crossings.tasks


def _copies(plan: Plan) -> dict[int, list[int]]:
    from planners.plans.annotations import DuplicateTask

    copies: dict[int, list[int]] = {}
    for note in plan.annotations:
        if isinstance(note, DuplicateTask):
            copies.setdefault(note.bundle, []).append(note.task)
    return copies


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
