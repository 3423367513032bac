"""Units: chains or other groups of tasks, with the weights by which slots are chosen for them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from planners.cost.platform import Platform
from planners.graph.arrays import Flags, Floats, Ids, Offsets, offsets_from_counts, sums
from planners.graph.chains import chain_of_tasks
from planners.numbers.predictions import Line, transfer_seconds
from planners.numbers.workload import Workload
from planners.plans.crossings import Crossings

FASTEST = 1e-12  # seconds per byte that are as good as none


@dataclass(frozen=True, eq=False)
class Units:
    """A graph of chains, unless told otherwise: nobody else waits for the middle of a chain."""

    unit_of: Ids  # task → unit; ids are topological
    seconds: Floats  # execution at one memory size
    constant_bytes: Floats
    store_seconds: Floats  # upload of what others may need; taken if somebody elsewhere needs it
    download: Line  # seconds over the bytes of parents, which count unpickling as so many more
    wanted: Flags
    parent_offsets: Offsets
    parents: Ids
    parent_bytes: Floats  # aligned with parents
    child_offsets: Offsets
    children: Ids
    child_bytes: Floats  # aligned with children

    @property
    def count(self) -> int:
        return len(self.seconds)

    @staticmethod
    def of(workload: Workload, memory_mb: int, groups: Ids | None = None) -> Units:
        """``groups`` says the unit of each task; left out, it is the chain that it is on."""
        dag = workload.dag
        groups = chain_of_tasks(dag) if groups is None else groups
        count = int(groups.max(initial=-1)) + 1
        crossings = Crossings.of(dag, groups, count)
        producers, consumers = crossings.pair_producers, crossings.pair_consumers
        download = workload.download
        sizes = crossings.pair_sums(workload.output_bytes)
        if workload.unpacking.any():
            download = download._replace(per_byte=max(download.per_byte, FASTEST))
            sizes += crossings.pair_sums(workload.unpacking) / download.per_byte
        by_producer = np.argsort(producers, kind="stable")
        shared = dag.wanted.copy()
        shared[crossings.tasks] = True
        stored = sums(groups, np.where(shared, workload.output_bytes, 0.0), count)
        packing = sums(groups, np.where(shared, workload.packing, 0.0), count)
        return Units(
            unit_of=groups,
            seconds=sums(groups, workload.seconds(memory_mb), count),
            constant_bytes=sums(groups, dag.constant_bytes, count),
            store_seconds=transfer_seconds(workload.upload, stored) + packing,
            download=download,
            wanted=sums(groups, dag.wanted.astype(np.int64), count) > 0,
            parent_offsets=offsets_from_counts(np.bincount(consumers, minlength=count)),
            parents=producers,
            parent_bytes=sizes,
            child_offsets=offsets_from_counts(np.bincount(producers, minlength=count)),
            children=consumers[by_producer],
            child_bytes=sizes[by_producer],
        )

    def expected_store_seconds(self) -> Floats:
        """Upload, in proportion to how likely a user is elsewhere: with k inputs, k - 1 are."""
        parents = np.diff(self.parent_offsets)
        children = np.diff(self.child_offsets)
        only_child = np.zeros(self.count, dtype=np.int64)
        has_children = children > 0
        only_child[has_children] = self.children[self.child_offsets[:-1][has_children]]
        share = np.where(children == 1, 1 - 1 / np.maximum(parents[only_child], 1), 1.0)
        share[children == 0] = 0.0
        share[self.wanted] = 1.0
        return self.store_seconds * share


def upward_ranks(units: Units, platform: Platform) -> Floats:
    """Per unit, the longest path to the end: execution, and transfers as if all were remote."""
    handover = units.store_seconds + platform.publish_seconds
    fetches = transfer_seconds(units.download, units.child_bytes).tolist()
    ranks: list[float] = units.seconds.tolist()
    offsets, children = units.child_offsets.tolist(), units.children.tolist()
    handovers: list[float] = handover.tolist()
    for unit in range(units.count - 1, -1, -1):
        longest = 0.0
        for place in range(offsets[unit], offsets[unit + 1]):
            path = fetches[place] + ranks[children[place]]
            longest = max(longest, path)
        ranks[unit] += handovers[unit] + longest
    return np.array(ranks)


def rank_order(ranks: Floats) -> Ids:
    """Highest rank first; equal ranks by id, so the order is topological."""
    return np.argsort(-ranks, kind="stable").astype(np.int32)
