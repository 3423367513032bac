"""Crossings: what crosses between the bundles of a plan, duplicated tasks taken into account."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from planners.graph.arrays import Ids, unique_pairs
from planners.numbers.predictions import Floats, Sizes
from planners.numbers.workload import Workload
from planners.plans.annotations import AnnotationError, DuplicateTask
from planners.plans.plan import Plan


@dataclass(frozen=True, eq=False)
class Crossings:
    """Each output and bundle that needs it from another bundle, and the same between bundles."""

    tasks: Ids
    producers: Ids
    consumers: Ids
    pair_producers: Ids  # (producer, consumer) once, by consumer and then producer
    pair_consumers: Ids
    pair_of: Ids  # crossing → its pair

    @staticmethod
    def of(workload: Workload, plan: Plan, copies: Sequence[DuplicateTask] = ()) -> Crossings:
        dag, bundles, count = workload.dag, plan.bundles, len(plan.slots)
        users = bundles[dag.edge_users]
        crossing = bundles[dag.inputs] != users
        consumers, tasks = unique_pairs(users[crossing], dag.inputs[crossing], dag.tasks)
        if copies:
            consumers, tasks = _without_copied(workload, plan, copies, consumers, tasks)
        producers = bundles[tasks]
        pair_consumers, pair_producers = unique_pairs(consumers, producers, count)
        keys = pair_consumers.astype(np.int64) * count + pair_producers
        wanted = consumers.astype(np.int64) * count + producers
        pair_of = np.searchsorted(keys, wanted).astype(np.int32)
        return Crossings(tasks, producers, consumers, pair_producers, pair_consumers, pair_of)

    def pair_bytes(self, output_bytes: Floats) -> Floats:
        return sums(self.pair_of, output_bytes[self.tasks], len(self.pair_producers))


def sums(rows: Ids, values: Sizes, count: int) -> Floats:
    """The values added up by row."""
    return np.asarray(np.bincount(rows, values, count), dtype=np.float64)


def _without_copied(
    workload: Workload,
    plan: Plan,
    copies: Sequence[DuplicateTask],
    consumers: Ids,
    tasks: Ids,
) -> tuple[Ids, Ids]:
    """A bundle that runs a copy of a task needs that task's inputs in place of its output."""
    dag = workload.dag
    needed = set(zip(consumers.tolist(), tasks.tolist(), strict=True))
    for copy in copies:
        if (copy.bundle, copy.task) not in needed:
            raise AnnotationError(
                f"bundle {copy.bundle} does not take {dag.label(copy.task)} from another bundle"
            )
    copied = {(copy.bundle, copy.task) for copy in copies}
    for bundle, task in copied:
        first, last = dag.input_offsets[task], dag.input_offsets[task + 1]
        for producer in dag.inputs[first:last].tolist():
            if plan.bundles[producer] != bundle:
                needed.add((bundle, producer))
    pairs = np.array(sorted(needed - copied), dtype=np.int32).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]
