"""Quotient: a graph of groups of tasks, small enough to be looked at again and again."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from planners.graph.arrays import Flags, Ids, Offsets, offsets_from_counts, places_in, unique_pairs
from planners.graph.dag import Dag

COMMON = 4  # times as many users as the usual root has


@dataclass(frozen=True, eq=False)
class Quotient:
    """Nodes in topological order, each with its inputs (CSR) and the number of tasks in it."""

    input_offsets: Offsets
    inputs: Ids
    weights: Ids

    @classmethod
    def of_tasks(cls, dag: Dag) -> Quotient:
        return cls(dag.input_offsets, dag.inputs, np.ones(dag.tasks, dtype=np.int32))

    @property
    def nodes(self) -> int:
        return len(self.weights)

    @cached_property
    def input_counts(self) -> Offsets:
        return np.diff(self.input_offsets)

    @cached_property
    def user_counts(self) -> Offsets:
        return np.bincount(self.inputs, minlength=self.nodes)

    @cached_property
    def edge_users(self) -> Ids:
        return np.repeat(np.arange(self.nodes, dtype=np.int32), self.input_counts)

    def merged(self, groups: Ids, count: int) -> Quotient:
        """One node for each of ``count`` groups, whose ids must be topological."""
        producers, users = groups[self.inputs], groups[self.edge_users]
        crossing = producers != users
        users, inputs = unique_pairs(users[crossing], producers[crossing], count)
        return Quotient(
            input_offsets=offsets_from_counts(np.bincount(users, minlength=count)),
            inputs=inputs,
            weights=np.bincount(groups, weights=self.weights, minlength=count).astype(np.int32),
        )

    def reordered(self, order: Ids) -> Quotient:
        """The same nodes with other ids: ``order`` is topological and lists the present ones."""
        places = places_in(order)
        _, inputs = unique_pairs(places[self.edge_users], places[self.inputs], self.nodes)
        offsets = offsets_from_counts(self.input_counts[order])
        return Quotient(offsets, inputs, self.weights[order])

    @cached_property
    def work_before(self) -> Offsets:
        """The most work on any path from the beginning to each node, its own not included."""
        reached: list[int] = self.weights.tolist()
        inputs: list[int] = self.inputs.tolist()
        begin = 0
        for node, end in enumerate(self.input_offsets[1:].tolist()):
            if begin < end:
                reached[node] += max([reached[producer] for producer in inputs[begin:end]])
                begin = end
        return np.array(reached, dtype=np.int64) - self.weights

    @property
    def longest_path(self) -> int:
        return int((self.work_before + self.weights).max(initial=0))

    def by_level(self) -> Ids:
        """Nodes in the order of the longest path that leads to them."""
        return np.argsort(self.work_before, kind="stable").astype(np.int32)

    @cached_property
    def work_ahead(self) -> Offsets:
        """The most work on any path from each node to the end, its own included."""
        ahead: list[int] = self.weights.tolist()
        weights = list(ahead)
        inputs: list[int] = self.inputs.tolist()
        begins: list[int] = self.input_offsets.tolist()
        for node in range(self.nodes - 1, -1, -1):
            here = ahead[node]
            for producer in inputs[begins[node] : begins[node + 1]]:
                ahead[producer] = max(ahead[producer], here + weights[producer])
        return np.array(ahead, dtype=np.int64)

    def by_urgency(self) -> Ids:
        """Nodes, those with the most work ahead first.

        That is a topological order too: a node has more ahead of it than any of its users.
        """
        return np.argsort(-self.work_ahead, kind="stable").astype(np.int32)

    def common_roots(self) -> Flags:
        """Nodes without inputs that many more nodes take than is usual for such.

        Where blocks are multiplied by a small matrix, each of its blocks is such a root: by what
        takes it, whole columns of blocks would grow together, and each row be torn apart.
        """
        roots: Flags = self.input_counts == 0
        usual = np.median(self.user_counts[roots]) if roots.any() else 0
        return roots & (self.user_counts >= COMMON * max(usual, 1))

    def sidelined(self) -> Flags:
        """Nodes that can wait: an input has a user with more than twice the work ahead.

        In a running sum, what takes the sums so far is such a node, and the next sum is not. In
        one group with them, the next sum would be delayed by all that does not need it.
        """
        after = (self.work_ahead - self.weights)[self.inputs]
        flags: Flags = np.zeros(self.nodes, dtype=np.bool_)
        flags[self.edge_users[2 * self.work_ahead[self.edge_users] < after]] = True
        return flags
