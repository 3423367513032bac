"""Validation: whether a plan can run at all; it looks at every plan, so it is array work."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from planners.errors import PlanError
from planners.graph.arrays import Ids, offsets_from_counts, unique_pairs
from planners.graph.dag import Dag
from planners.graph.order import CycleError, depth_first_order

FLEXIBLE = -1  # the slot of a bundle that any container may run


def check(dag: Dag, bundles: Ids, slots: Ids, memory_mb: Ids) -> None:
    """Raise a PlanError unless every task has a bundle, and every bundle can start and end.

    A bundle waits for all outside inputs before it starts and publishes when it ends. So edges
    between bundles must not form a cycle, which upward ids prove: then whatever a bundle waits
    for has a lower id.
    """
    _check_shapes(dag, bundles, slots, memory_mb)
    if not dag.tasks:
        return
    _check_ids(dag, bundles, len(slots))
    _check_order(dag, bundles, len(slots))
    _check_memory(dag, bundles, slots, memory_mb)


def _check_shapes(dag: Dag, bundles: Ids, slots: Ids, memory_mb: Ids) -> None:
    for name, array in (("bundles", bundles), ("slots", slots), ("memory_mb", memory_mb)):
        if not isinstance(array, np.ndarray) or array.ndim != 1 or array.dtype.kind not in "iu":
            raise PlanError(f"{name} must be a one-dimensional array of integers")
    if len(bundles) < dag.tasks:
        task = len(bundles)
        missing = f"{dag.tasks - task} of {dag.tasks} tasks have no bundle, first {dag.label(task)}"
        raise PlanError(missing, task=task)
    if len(bundles) > dag.tasks:
        raise PlanError(f"the plan is for {len(bundles)} tasks, but the graph has {dag.tasks}")
    if len(slots) != len(memory_mb):
        counts = f"{len(slots)} bundles have a slot and {len(memory_mb)} have a memory size"
        raise PlanError(f"{counts}: give both for every bundle")


def _check_ids(dag: Dag, bundles: Ids, count: int) -> None:
    if int(bundles.min()) < 0 or int(bundles.max()) >= count:
        task = int(np.flatnonzero((bundles < 0) | (bundles >= count))[0])
        there_are = f"but there are {count} bundles, 0 to {count - 1}"
        raise PlanError(f"{dag.label(task)} is in bundle {bundles[task]}, {there_are}", task=task)
    sizes = np.bincount(bundles, minlength=count)
    if not sizes.all():
        empty = int(np.flatnonzero(sizes == 0)[0])
        raise PlanError(f"bundle {empty} has no tasks: leave it out and renumber the others")


def _check_order(dag: Dag, bundles: Ids, count: int) -> None:
    producers, users = bundles[dag.inputs], bundles[dag.edge_users]
    falls = producers > users
    if not falls.any():
        return
    edge = int(np.flatnonzero(falls)[0])
    producer, user = int(dag.inputs[edge]), int(dag.edge_users[edge])
    edge_says = (
        f"{dag.label(user)} (bundle {bundles[user]}) takes the output of "
        f"{dag.label(producer)} (bundle {bundles[producer]})"
    )
    waits = _cycle(producers, users, count)
    if waits < 0:
        raise PlanError(f"{edge_says}: number bundles so that inputs have lower ids", task=user)
    raise PlanError(
        f"bundle {waits} waits for itself by way of other bundles, and {edge_says}: a bundle "
        "starts when all its outside inputs are there and publishes at its end, so it cannot be "
        "both before and after another one",
        task=user,
    )


def _cycle(producers: Ids, users: Ids, count: int) -> int:
    """A bundle on a cycle; -1: there is none."""
    crossing = producers != users
    rows, inputs = unique_pairs(users[crossing], producers[crossing], count)
    offsets = offsets_from_counts(np.bincount(rows, minlength=count))
    try:
        depth_first_order(offsets, inputs, np.arange(count, dtype=np.int32))
    except CycleError as error:
        return error.task
    return -1


def _check_memory(dag: Dag, bundles: Ids, slots: Ids, memory_mb: Ids) -> None:
    if int(slots.min()) < FLEXIBLE or int(memory_mb.min()) < 0:
        bundle = int(np.flatnonzero((slots < FLEXIBLE) | (memory_mb < 0))[0])
        what = f"{memory_mb[bundle]} MB: it must not be negative, and 0 is the default"
        if slots[bundle] < FLEXIBLE:
            what = (
                f"slot {slots[bundle]}: it must not be negative, but for {FLEXIBLE}, any container"
            )
        raise _about_bundle(dag, bundles, bundle, what)
    planned = np.flatnonzero(slots != FLEXIBLE)
    if not len(planned):
        return
    by_slot = planned[np.argsort(slots[planned], kind="stable")]
    same_slot = slots[by_slot][1:] == slots[by_slot][:-1]
    differs = same_slot & (memory_mb[by_slot][1:] != memory_mb[by_slot][:-1])
    if differs.any():
        place = int(np.flatnonzero(differs)[0])
        one, other = int(by_slot[place]), int(by_slot[place + 1])
        sizes = f"{memory_mb[other]} MB in slot {slots[other]}, where bundle {one} has"
        raise _about_bundle(
            dag, bundles, other, f"{sizes} {memory_mb[one]} MB: a slot is one container"
        )


def _about_bundle(dag: Dag, bundles: npt.NDArray[np.integer], bundle: int, what: str) -> PlanError:
    task = int(np.flatnonzero(bundles == bundle)[0])
    return PlanError(f"bundle {bundle} ({dag.label(task)}) has {what}", task=task)
