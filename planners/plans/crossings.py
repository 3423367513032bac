"""Crossings: what crosses between the bundles of a plan, duplicated tasks taken into account."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from planners.errors import AnnotationError
from planners.graph.arrays import Flags, Floats, Ids, Offsets, sums, unique_pairs
from planners.graph.dag import Dag
from planners.plans.annotations import DuplicateTask


@dataclass(frozen=True, eq=False)
class Crossings:
    """Each output and bundle that needs it from another bundle, and the same between bundles."""

    bundles: int
    tasks: Ids
    producers: Ids
    consumers: Ids
    pair_producers: Ids  # (producer, consumer) once, by consumer and then producer
    pair_consumers: Ids
    pair_of: Ids  # crossing → its pair

    @staticmethod
    def of(dag: Dag, bundles: Ids, count: int, copies: Sequence[DuplicateTask] = ()) -> Crossings:
        """``bundles`` says the bundle of each task; there are ``count`` of them."""
        users = bundles[dag.edge_users]
        crossing = bundles[dag.inputs] != users
        consumers, tasks = unique_pairs(users[crossing], dag.inputs[crossing], dag.tasks)
        if copies:
            consumers, tasks = _without_copied(dag, bundles, copies, consumers, tasks)
        producers = bundles[tasks]
        pair_consumers, pair_producers = unique_pairs(consumers, producers, count)
        keys = pair_consumers.astype(np.int64) * count + pair_producers
        wanted = consumers.astype(np.int64) * count + producers
        pair_of = np.searchsorted(keys, wanted).astype(np.int32)
        return Crossings(
            count, tasks, producers, consumers, pair_producers, pair_consumers, pair_of
        )

    def pair_sums(self, of_outputs: Floats, among: Flags | None = None) -> Floats:
        """Of something that each task's output has, such as bytes, what crosses in each pair, or
        what of it is ``among`` some crossings.
        """
        pairs, tasks = self.pair_of, self.tasks
        if among is not None:
            pairs, tasks = pairs[among], tasks[among]
        return sums(pairs, of_outputs[tasks], len(self.pair_producers))

    @cached_property
    def taker_counts(self) -> Offsets:
        """How many bundles take something from each bundle."""
        return np.bincount(self.pair_producers, minlength=self.bundles)

    def producers_of(self, bundle: int) -> Ids:
        """Whose outputs the bundle takes, in rising order."""
        first, last = np.searchsorted(self.pair_consumers, (bundle, bundle + 1))
        return self.pair_producers[first:last]

    def connects(self, producer: int, consumer: int) -> bool:
        producers = self.producers_of(consumer)
        place = int(np.searchsorted(producers, producer))
        return place < len(producers) and int(producers[place]) == producer

    def pair(self, producer: int, consumer: int) -> int:
        """Where it is among the pairs; it has to be there."""
        first = int(np.searchsorted(self.pair_consumers, consumer))
        return first + int(np.searchsorted(self.producers_of(consumer), producer))


def needs(crossings: Crossings) -> set[tuple[int, int]]:
    """(bundle, task of another bundle whose output it takes)."""
    return set(zip(crossings.consumers.tolist(), crossings.tasks.tolist(), strict=True))


def why_no_copy(dag: Dag, needed: set[tuple[int, int]], copy: DuplicateTask) -> str:
    """Why the bundle cannot run a copy of the task; empty if it can."""
    if dag.repeatable is not None and not dag.repeatable[copy.task]:
        return f"{dag.label(copy.task)} may give something else when it is run again"
    if (copy.bundle, copy.task) not in needed:
        return f"bundle {copy.bundle} does not take {dag.label(copy.task)} from another bundle"
    return ""


def _without_copied(
    dag: Dag, bundles: Ids, copies: Sequence[DuplicateTask], consumers: Ids, tasks: Ids
) -> tuple[Ids, Ids]:
    """A bundle that runs a copy of a task needs that task's inputs in place of its output."""
    needed = set(zip(consumers.tolist(), tasks.tolist(), strict=True))
    for copy in copies:
        if why := why_no_copy(dag, needed, copy):
            raise AnnotationError(why, task=copy.task)
    copied = {(copy.bundle, copy.task) for copy in copies}
    for bundle, task in copied:
        first, last = dag.input_offsets[task], dag.input_offsets[task + 1]
        for producer in dag.inputs[first:last].tolist():
            if bundles[producer] != bundle:
                needed.add((bundle, producer))
    pairs = np.array(sorted(needed - copied), dtype=np.int32).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]
