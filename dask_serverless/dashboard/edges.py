"""Edges: a run's graph as pages ask for it, from the structure alone and worked out once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from dask_serverless.client.structure import Structure
from planners.graph.arrays import Flags, Ids, unique_pairs


@dataclass(frozen=True, eq=False)
class Edges:
    structure: Structure

    @cached_property
    def users(self) -> Ids:
        """The task that each input is for."""
        structure = self.structure
        counts = np.diff(structure.input_offsets)
        return np.repeat(np.arange(structure.tasks, dtype=np.int32), counts)

    @cached_property
    def between_bundles(self) -> tuple[Ids, Ids]:
        """(consumer, producer) of each edge between bundles, once, ordered by consumer."""
        structure = self.structure
        consumers, producers = structure.bundles[self.users], structure.bundles[structure.inputs]
        crossing = consumers != producers
        return unique_pairs(consumers[crossing], producers[crossing], structure.bundle_count)

    @cached_property
    def by_producer(self) -> tuple[Ids, Ids]:
        """(task, bundle that uses it) of each edge of the graph, ordered by task."""
        structure = self.structure
        order = np.argsort(structure.inputs, kind="stable")
        return structure.inputs[order], structure.bundles[self.users[order]]

    @cached_property
    def crossing(self) -> Flags:
        """Tasks whose outputs other bundles use."""
        structure = self.structure
        crosses = structure.bundles[self.users] != structure.bundles[structure.inputs]
        crossing = np.zeros(structure.tasks, dtype=np.bool_)
        crossing[structure.inputs[crosses]] = True
        return crossing
