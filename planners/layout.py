"""Layout: what the cost model needs to know of a plan before time passes, as one array per fact."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from planners.arrays import Ids, unique_pairs
from planners.optimizations.annotation import AnnotationError
from planners.optimizations.clustering import FanInCheck, FanOutCluster
from planners.optimizations.delayed_io import DelayedIo
from planners.optimizations.preload import Preload
from planners.optimizations.prewarm import Prewarm
from planners.optimizations.streaming import Streaming
from planners.optimizations.task_dup import TaskDuplicate
from planners.plan import FLEXIBLE, Plan
from planners.platform import Platform
from planners.predictions import Floats, Sizes, transfer_seconds
from planners.workload import Workload

NONE = -1


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
    def of(workload: Workload, plan: Plan, copies: tuple[TaskDuplicate, ...]) -> Crossings:
        dag, bundles = workload.dag, plan.bundles
        crossing = bundles[dag.inputs] != bundles[dag.edge_users]
        consumers, tasks = unique_pairs(
            bundles[dag.edge_users[crossing]], dag.inputs[crossing], dag.tasks
        )
        if copies:
            consumers, tasks = _without_copied(workload, plan, copies, consumers, tasks)
        producers = bundles[tasks]
        pair_consumers, pair_producers = unique_pairs(consumers, producers, len(plan.slots))
        keys = pair_consumers.astype(np.int64) * len(plan.slots) + pair_producers
        wanted = consumers.astype(np.int64) * len(plan.slots) + producers
        pair_of = np.searchsorted(keys, wanted).astype(np.int32)
        return Crossings(tasks, producers, consumers, pair_producers, pair_consumers, pair_of)


@dataclass(frozen=True, eq=False)
class Layout:
    """Static facts of a plan on a platform.

    A *stretch* is a run of bundles that one container takes one after another whatever happens:
    the bundles of a slot in the order of their ids, a bundle and the children it keeps, and a
    flexible bundle with the one child that has no other producer. ``next`` walks along stretches;
    only where a stretch ends does time decide who goes on with what.
    """

    plan: Plan
    crossings: Crossings
    memory_mb: Ids
    next: Ids  # bundle → the one its container takes afterwards, or NONE
    stretch: Ids  # bundle → first bundle of its stretch
    exec_seconds: Floats
    constant_bytes: Floats  # of a bundle's tasks; fetched with the inputs
    pair_bytes: Floats
    fetch_bytes: Floats  # what comes from outside the stretch
    store_bytes: Floats  # what has users outside the stretch, or is wanted
    store_seconds: Floats  # from the last task's end to the answer of publish
    held_for: Ids  # bundle → the fan-in for which it holds its output back, or NONE
    held_seconds: Floats  # how long at most
    held_bytes: Floats  # what is stored even when the fan-in is ours
    early_bytes: dict[int, dict[int, float]]  # bundle → producer → bytes to fetch early
    prewarms: dict[int, list[Prewarm]]

    @property
    def bundles(self) -> int:
        return len(self.next)

    def task_seconds(self, workload: Workload) -> Floats:
        return _task_seconds(self.plan, self.memory_mb, workload)


def lay_out(plan: Plan, workload: Workload, platform: Platform) -> Layout:
    copies = tuple(note for note in plan.annotations if isinstance(note, TaskDuplicate))
    crossings = Crossings.of(workload, plan, copies)
    memory = np.where(plan.memory_mb > 0, plan.memory_mb, platform.default_memory_mb)
    memory = memory.astype(np.int32)
    following = _following(plan, memory, crossings, workload.output_bytes)
    stretch = _stretches(following)
    exec_seconds = _exec_seconds(plan, memory, workload, copies)
    held_for, held_seconds = _held(plan, memory, following, stretch)
    constant_bytes = sums(plan.bundles, workload.dag.constant_bytes, len(plan.slots))
    outside = stretch[crossings.producers] != stretch[crossings.consumers]
    weights = workload.output_bytes[crossings.tasks]
    elsewhere = outside & (held_for[crossings.producers] != crossings.consumers)
    store_bytes = _stored(plan, workload, crossings, outside)
    fetched = sums(crossings.consumers[outside], weights[outside], len(plan.slots))
    return Layout(
        plan=plan,
        crossings=crossings,
        memory_mb=memory,
        next=following,
        stretch=stretch,
        exec_seconds=exec_seconds,
        constant_bytes=constant_bytes,
        pair_bytes=sums(crossings.pair_of, weights, len(crossings.pair_producers)),
        fetch_bytes=constant_bytes + fetched,
        store_bytes=store_bytes,
        store_seconds=_store_seconds(plan, workload, platform, store_bytes, exec_seconds),
        held_for=held_for,
        held_seconds=held_seconds,
        held_bytes=_stored(plan, workload, crossings, elsewhere),
        early_bytes=_early_bytes(plan, workload, crossings),
        prewarms=_prewarms(plan),
    )


def sums(rows: Ids, values: Sizes, count: int) -> Floats:
    """The values added up by row."""
    return np.asarray(np.bincount(rows, values, count), dtype=np.float64)


def _without_copied(
    workload: Workload,
    plan: Plan,
    copies: tuple[TaskDuplicate, ...],
    consumers: Ids,
    tasks: Ids,
) -> tuple[Ids, Ids]:
    """A bundle that runs a copy of a task needs that task's inputs in place of its output."""
    dag, bundles = workload.dag, plan.bundles
    needed = set(zip(consumers.tolist(), tasks.tolist(), strict=True))
    for copy in copies:
        if (copy.bundle, copy.task) not in needed:
            raise AnnotationError(
                f"bundle {copy.bundle} does not take {dag.label(copy.task)} from another bundle"
            )
        needed.discard((copy.bundle, copy.task))
        first, last = dag.input_offsets[copy.task], dag.input_offsets[copy.task + 1]
        for producer in dag.inputs[first:last].tolist():
            if bundles[producer] != copy.bundle:
                needed.add((copy.bundle, producer))
    pairs = np.array(sorted(needed), dtype=np.int32).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


def _following(plan: Plan, memory: Ids, crossings: Crossings, output_bytes: Floats) -> Ids:
    """What each container takes next whatever happens: slot, kept children, only child."""
    following = np.full(len(plan.slots), NONE, dtype=np.int32)
    slotted = np.flatnonzero(plan.slots != FLEXIBLE).astype(np.int32)
    order = slotted[np.argsort(plan.slots[slotted], kind="stable")]
    same = plan.slots[order[1:]] == plan.slots[order[:-1]]
    following[order[:-1][same]] = order[1:][same]
    candidates = _only_children(plan, memory, crossings, output_bytes)
    for note in plan.annotations:
        if isinstance(note, FanOutCluster):
            _keep(following, candidates, note)
    _favour(following, candidates)
    return following


OnlyChildren = tuple[Ids, Ids, Floats]  # parent, child, bytes


def _only_children(
    plan: Plan, memory: Ids, crossings: Crossings, output_bytes: Floats
) -> OnlyChildren:
    """Flexible bundles with a single producer of the same memory size."""
    parents, children = crossings.pair_producers, crossings.pair_consumers
    producers = np.bincount(children, minlength=len(plan.slots))
    fits = (producers[children] == 1) & (plan.slots[children] == FLEXIBLE)
    fits &= memory[parents] == memory[children]
    sizes = sums(crossings.pair_of, output_bytes[crossings.tasks], len(parents))
    return parents[fits], children[fits], sizes[fits]


def _keep(following: Ids, candidates: OnlyChildren, note: FanOutCluster) -> None:
    parents, children, _ = candidates
    mine = set(children[parents == note.bundle].tolist())
    if following[note.bundle] != NONE or not note.children or not mine.issuperset(note.children):
        raise AnnotationError(f"bundle {note.bundle} cannot keep {note.children}: not its to run")
    bundle = note.bundle
    for child in note.children:
        following[bundle] = child
        bundle = child


def _favour(following: Ids, candidates: OnlyChildren) -> None:
    """Where a container is free, it goes on with its only child; of many, the one with most bytes."""
    parents, children, sizes = candidates
    kept = np.zeros(len(following), dtype=np.bool_)
    kept[following[following != NONE]] = True
    free = (following[parents] == NONE) & ~kept[children]
    order = np.lexsort((children[free], -sizes[free], parents[free]))
    ordered = parents[free][order]
    first = np.diff(ordered, prepend=-1) > 0
    following[ordered[first]] = children[free][order][first]


def _stretches(following: Ids) -> Ids:
    """Bundle → first bundle of its stretch, doubling the step each round."""
    first = np.arange(len(following), dtype=np.int32)
    has_next = np.flatnonzero(following != NONE)
    first[following[has_next]] = has_next
    while True:
        jumped = first[first]
        if np.array_equal(jumped, first):
            return first
        first = jumped


def _exec_seconds(
    plan: Plan, memory: Ids, workload: Workload, copies: tuple[TaskDuplicate, ...]
) -> Floats:
    seconds = _task_seconds(plan, memory, workload)
    total = sums(plan.bundles, seconds, len(plan.slots))
    for copy in copies:
        total[copy.bundle] += workload.seconds(int(memory[copy.bundle]))[copy.task]
    return total


def _task_seconds(plan: Plan, memory: Ids, workload: Workload) -> Floats:
    """Execution time of each task in the container that it is planned for."""
    sizes = np.unique(memory).tolist()
    if len(sizes) == 1:
        return workload.seconds(sizes[0])
    seconds = np.zeros(workload.dag.tasks)
    for size in sizes:
        mine = memory[plan.bundles] == size
        seconds[mine] = workload.seconds(size)[mine]
    return seconds


def _stored(
    plan: Plan, workload: Workload, crossings: Crossings, outside: npt.NDArray[np.bool_]
) -> Floats:
    """Bytes per bundle of outputs that are wanted or cross where ``outside`` says so."""
    stored = workload.dag.wanted.copy()
    stored[crossings.tasks[outside]] = True
    sizes = np.where(stored, workload.output_bytes, 0.0)
    return sums(plan.bundles, sizes, len(plan.slots))


def _store_seconds(
    plan: Plan, workload: Workload, platform: Platform, store_bytes: Floats, exec_seconds: Floats
) -> Floats:
    seconds = transfer_seconds(workload.upload, store_bytes)
    for note in plan.annotations:
        if isinstance(note, Streaming):
            sizes = float(store_bytes[note.bundle]), float(exec_seconds[note.bundle])
            seconds[note.bundle] = note.seconds_after(*sizes, workload.upload)
    return seconds + platform.publish_seconds


def _held(plan: Plan, memory: Ids, following: Ids, stretch: Ids) -> tuple[Ids, Floats]:
    """Which bundles hold their output back in case the fan-in becomes theirs, and how long."""
    held_for = np.full(len(following), NONE, dtype=np.int32)
    held_seconds = np.zeros(len(following))
    for note in plan.annotations:
        if not isinstance(note, FanInCheck | DelayedIo):
            continue
        bundle, child = note.bundle, note.child
        flexible = plan.slots[child] == FLEXIBLE and stretch[child] == child
        if following[bundle] != NONE or not flexible or memory[bundle] != memory[child]:
            raise AnnotationError(f"bundle {bundle} cannot hold its output for bundle {child}")
        held_for[bundle] = child
        held_seconds[bundle] = note.wait_seconds if isinstance(note, DelayedIo) else 0.0
    return held_for, held_seconds


def _early_bytes(
    plan: Plan, workload: Workload, crossings: Crossings
) -> dict[int, dict[int, float]]:
    """What is pre-loaded, of what the bundle still takes: a duplicated task is not fetched."""
    asked = {
        (note.bundle, task)
        for note in plan.annotations
        if isinstance(note, Preload)
        for task in note.tasks
    }
    early: dict[int, dict[int, float]] = {}
    if asked:
        for bundle, task in zip(crossings.consumers.tolist(), crossings.tasks.tolist(), strict=True):
            if (bundle, task) in asked:
                producer, sizes = int(plan.bundles[task]), early.setdefault(bundle, {})
                sizes[producer] = sizes.get(producer, 0.0) + float(workload.output_bytes[task])
    return early


def _prewarms(plan: Plan) -> dict[int, list[Prewarm]]:
    prewarms: dict[int, list[Prewarm]] = {}
    for note in plan.annotations:
        if isinstance(note, Prewarm):
            prewarms.setdefault(note.trigger, []).append(note)
    return prewarms
