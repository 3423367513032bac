"""Chains: paths on which every task has one user and that user has no other input."""

from __future__ import annotations

import numpy as np

from planners.graph.arrays import Flags, Ids
from planners.graph.dag import Dag


def chain_of_tasks(dag: Dag) -> Ids:
    """Task → chain; chain ids follow their first tasks, which makes them topological.

    Outside inputs enter a chain only at its first task and leave it only from its last, so a chain
    as one bundle delays nothing.
    """
    if not dag.tasks:
        return np.empty(0, dtype=np.int32)
    continues = _continues_its_input(dag)
    if not continues.any():
        return np.arange(dag.tasks, dtype=np.int32)
    firsts = _first_tasks(dag, continues)
    ids = np.cumsum(~continues, dtype=np.int32) - np.int32(1)
    return ids[firsts]


def _continues_its_input(dag: Dag) -> Flags:
    """Whether a task has one input, whose output nobody else takes."""
    continues: Flags = np.equal(dag.input_counts, 1)
    only_inputs = dag.inputs[dag.input_offsets[:-1][continues]]
    # A wanted output does not break the chain: it is stored when the bundle ends, like the others.
    continues[continues] = dag.user_counts[only_inputs] == 1
    return continues


def _first_tasks(dag: Dag, continues: Flags) -> Ids:
    """Task → first task of its chain."""
    firsts = np.arange(dag.tasks, dtype=np.int32)
    tasks = np.flatnonzero(continues)
    previous = dag.inputs[dag.input_offsets[tasks]]
    if bool((previous == tasks - 1).all()):  # always so in a depth-first order
        firsts[tasks] = 0
        return np.maximum.accumulate(firsts)
    firsts[tasks] = previous
    while True:
        jumped = firsts[firsts]  # twice as far each round: 20 rounds for a chain of a million
        if np.array_equal(jumped, firsts):
            return firsts
        firsts = jumped
