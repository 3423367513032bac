"""Quotient: a graph of groups of tasks, small enough to be looked at again and again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from planners.arrays import Ids, Offsets, offsets_from_counts, unique_pairs
from planners.dag import Dag


@dataclass(frozen=True, eq=False)
class Quotient:
    """Groups in topological order, with their inputs as CSR and how many tasks each holds."""

    input_offsets: Offsets
    inputs: Ids
    weights: Ids

    @classmethod
    def of(cls, dag: Dag, groups: Ids, count: int) -> Quotient:
        """``groups`` says for each task to which of ``count`` groups it belongs."""
        if count == dag.tasks:
            return cls(dag.input_offsets, dag.inputs, np.ones(count, dtype=np.int32))
        producers, consumers = groups[dag.inputs], groups[dag.edge_users]
        crossing = producers != consumers
        users, inputs = unique_pairs(consumers[crossing], producers[crossing], count)
        return cls(
            input_offsets=offsets_from_counts(np.bincount(users, minlength=count)),
            inputs=inputs,
            weights=np.bincount(groups, minlength=count).astype(np.int32),
        )

    @property
    def groups(self) -> int:
        return len(self.weights)
