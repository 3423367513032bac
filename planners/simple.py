"""simple: one pass over the structure; chains stay together and first users stay put."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from planners.graph.arrays import Ids
from planners.graph.chains import chain_of_tasks
from planners.graph.dag import Dag
from planners.plans.plan import Plan, Resources


@dataclass(frozen=True)
class Simple:
    """A bundle per chain; the slot comes from the first input, for the first user to claim it.

    Roots are dealt in contiguous blocks, since neighbouring ids meet soon; further users of an
    output go round the slots in turn, so that a fan-out spreads.
    """

    name: ClassVar[str] = "simple"

    def plan(self, dag: Dag, resources: Resources) -> Plan:
        bundles = chain_of_tasks(dag)
        firsts = _first_tasks(bundles)
        slots = _slots(dag, bundles, firsts, max(resources.containers, 1))
        return Plan(
            planner=self.name,
            bundles=bundles,
            slots=slots,
            memory_mb=np.full(len(firsts), resources.memory_mb, dtype=np.int32),
        )


def _first_tasks(bundles: Ids) -> Ids:
    """The first task of each chain; chain ids are in the order of their first tasks."""
    highest = np.maximum.accumulate(bundles)
    return np.flatnonzero(np.diff(highest, prepend=-1)).astype(np.int32)


def _slots(dag: Dag, bundles: Ids, firsts: Ids, containers: int) -> Ids:
    counts = dag.input_counts[firsts]
    roots = counts == 0
    root_count = int(roots.sum())
    slots = np.zeros(len(firsts), dtype=np.int32)
    slots[roots] = np.arange(root_count) * containers // max(root_count, 1)
    others = np.flatnonzero(~roots)
    producers = bundles[dag.inputs[dag.input_offsets[firsts[others]]]]
    turns = _turns(producers, len(firsts))
    slot_of = slots.tolist()  # a slot follows from the one before: a loop, not array work
    for bundle, producer, turn in zip(
        others.tolist(), producers.tolist(), turns.tolist(), strict=True
    ):
        slot_of[bundle] = (slot_of[producer] + turn) % containers
    return np.array(slot_of, dtype=np.int32)


def _turns(producers: Ids, width: int) -> Ids:
    """How many bundles before this one have the same first producer."""
    order = np.argsort(producers, kind="stable")
    counts = np.bincount(producers, minlength=width)
    starts = np.cumsum(counts) - counts
    turns = np.empty(len(producers), dtype=np.int32)
    turns[order] = np.arange(len(producers)) - starts[producers[order]]
    return turns
