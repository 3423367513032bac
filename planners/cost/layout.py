"""Layout: what the cost model needs to know of a plan before time passes, as one array per fact."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from planners.cost.crossings import Crossings, sums
from planners.cost.platform import Platform
from planners.graph.arrays import Flags, Ids
from planners.numbers.predictions import Floats, left_to_store, transfer_seconds
from planners.numbers.workload import Workload
from planners.plans.annotations import (
    AnnotationError,
    CheckFanIn,
    DuplicateTask,
    HoldOutput,
    KeepChildren,
    PreloadInputs,
    StartContainers,
    StreamOutputs,
)
from planners.plans.plan import FLEXIBLE, Plan

NONE = -1


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
    task_seconds: Floats  # per task, in the container that it is planned for
    exec_seconds: Floats
    constant_bytes: Floats  # of a bundle's tasks; fetched with the inputs
    pair_bytes: Floats
    fetch_bytes: Floats  # what comes from outside the stretch
    stored: Flags  # per task: somebody outside the stretch needs it, or the client
    store_bytes: Floats
    store_seconds: Floats  # from the last task's end to the answer of publish
    held_for: Ids  # bundle → the fan-in for which it holds its output back, or NONE
    held_seconds: Floats  # how long at most
    held_bytes: Floats  # what is stored even when the fan-in is ours
    early_bytes: dict[int, dict[int, float]]  # bundle → producer → bytes to fetch early
    prewarms: dict[int, list[StartContainers]]  # by trigger

    @property
    def bundles(self) -> int:
        return len(self.next)

    def producers_of(self, bundle: int) -> list[int]:
        pairs = self.crossings
        return [int(one) for one in pairs.pair_producers[pairs.pair_consumers == bundle]]

    def stored_by_bundle(self) -> dict[int, list[int]]:
        """The tasks whose outputs each bundle stores, in the order in which they run."""
        tasks = np.flatnonzero(self.stored)
        by_bundle: dict[int, list[int]] = {}
        for task, bundle in zip(tasks.tolist(), self.plan.bundles[tasks].tolist(), strict=True):
            by_bundle.setdefault(bundle, []).append(task)
        return by_bundle

    def handovers(self) -> list[tuple[int, int, float]]:
        """Where a container that is free then has an only child to keep: parent, child, bytes."""
        parents, children, sizes = _only_children(
            self.plan, self.memory_mb, self.crossings, self.pair_bytes
        )
        following = self.next[parents]
        free = (following == NONE) | (self.plan.slots[following] == FLEXIBLE)
        rows = parents[free].tolist(), children[free].tolist(), sizes[free].tolist()
        return list(zip(*rows, strict=True))

    def fan_ins(self) -> list[tuple[int, int, float]]:
        """Where a container may go on with a fan-in that alone needs its output: the same."""
        parents, children = self.crossings.pair_producers, self.crossings.pair_consumers
        users = np.bincount(parents, minlength=self.bundles)
        fits = (users[parents] == 1) & (self.next[parents] == NONE)
        fits &= (self.plan.slots[children] == FLEXIBLE) & (self.stretch[children] == children)
        fits &= self.memory_mb[parents] == self.memory_mb[children]
        rows = parents[fits].tolist(), children[fits].tolist(), self.pair_bytes[fits].tolist()
        return list(zip(*rows, strict=True))


def lay_out(plan: Plan, workload: Workload, platform: Platform) -> Layout:
    count = len(plan.slots)
    copies = [note for note in plan.annotations if isinstance(note, DuplicateTask)]
    crossings = Crossings.of(workload, plan, copies)
    pair_bytes = crossings.pair_bytes(workload.output_bytes)
    memory = np.where(plan.memory_mb > 0, plan.memory_mb, platform.default_memory_mb)
    memory = memory.astype(np.int32)
    following = _following(plan, memory, crossings, pair_bytes)
    stretch = _stretches(following)
    task_seconds = _task_seconds(plan, memory, workload)
    exec_seconds = sums(plan.bundles, task_seconds, count)
    constant_bytes = sums(plan.bundles, workload.dag.constant_bytes, count)
    for copy in copies:
        exec_seconds[copy.bundle] += workload.seconds(int(memory[copy.bundle]))[copy.task]
        constant_bytes[copy.bundle] += workload.dag.constant_bytes[copy.task]
    outside = stretch[crossings.producers] != stretch[crossings.consumers]
    stored = _stored(workload, crossings, outside)
    held_for, held_seconds = _held(plan, memory, following, stretch)
    elsewhere = outside & (held_for[crossings.producers] != crossings.consumers)
    held = _stored(workload, crossings, elsewhere)
    fetched = workload.output_bytes[crossings.tasks[outside]]
    layout = Layout(
        plan=plan,
        crossings=crossings,
        memory_mb=memory,
        next=following,
        stretch=stretch,
        task_seconds=task_seconds,
        exec_seconds=exec_seconds,
        constant_bytes=constant_bytes,
        pair_bytes=pair_bytes,
        fetch_bytes=constant_bytes + sums(crossings.consumers[outside], fetched, count),
        stored=stored,
        store_bytes=sums(plan.bundles, np.where(stored, workload.output_bytes, 0.0), count),
        store_seconds=np.full(count, platform.publish_seconds),
        held_for=held_for,
        held_seconds=held_seconds,
        held_bytes=sums(plan.bundles, np.where(held, workload.output_bytes, 0.0), count),
        early_bytes=_early_bytes(plan, workload, crossings),
        prewarms=_prewarms(plan),
    )
    layout.store_seconds[:] += _upload_seconds(layout, workload)
    return layout


def _following(plan: Plan, memory: Ids, crossings: Crossings, pair_bytes: Floats) -> Ids:
    """What each container takes next whatever happens: slot, kept children, only child."""
    following = np.full(len(plan.slots), NONE, dtype=np.int32)
    slotted = np.flatnonzero(plan.slots != FLEXIBLE).astype(np.int32)
    order = slotted[np.argsort(plan.slots[slotted], kind="stable")]
    same = plan.slots[order[1:]] == plan.slots[order[:-1]]
    following[order[:-1][same]] = order[1:][same]
    candidates = _only_children(plan, memory, crossings, pair_bytes)
    for note in plan.annotations:
        if isinstance(note, KeepChildren):
            _keep(following, candidates, note)
    _favour(following, candidates)
    return following


OnlyChildren = tuple[Ids, Ids, Floats]  # parent, child, bytes


def _only_children(
    plan: Plan, memory: Ids, crossings: Crossings, pair_bytes: Floats
) -> OnlyChildren:
    """Flexible bundles with a single producer of the same memory size."""
    parents, children = crossings.pair_producers, crossings.pair_consumers
    producers = np.bincount(children, minlength=len(plan.slots))
    fits = (producers[children] == 1) & (plan.slots[children] == FLEXIBLE)
    fits &= memory[parents] == memory[children]
    return parents[fits], children[fits], pair_bytes[fits]


def _keep(following: Ids, candidates: OnlyChildren, note: KeepChildren) -> None:
    parents, children, _ = candidates
    mine = set(children[parents == note.bundle].tolist())
    if following[note.bundle] != NONE or not note.children or not mine.issuperset(note.children):
        raise AnnotationError(f"bundle {note.bundle} cannot keep {note.children}: not its to run")
    bundle = note.bundle
    for child in note.children:
        following[bundle] = child
        bundle = child


def _favour(following: Ids, candidates: OnlyChildren) -> None:
    """A free container goes on with its only child; of many, with the one that has most bytes."""
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


def _stored(workload: Workload, crossings: Crossings, outside: Flags) -> Flags:
    """Per task, whether it is wanted or crosses where ``outside`` says so."""
    stored = workload.dag.wanted.copy()
    stored[crossings.tasks[outside]] = True
    return stored


def _upload_seconds(layout: Layout, workload: Workload) -> Floats:
    seconds = transfer_seconds(workload.upload, layout.store_bytes)
    for note in layout.plan.annotations:
        if isinstance(note, StreamOutputs):
            seconds[note.bundle] = _streamed_seconds(layout, workload, note)
    return seconds


def _streamed_seconds(layout: Layout, workload: Workload, note: StreamOutputs) -> float:
    mine = np.flatnonzero(layout.plan.bundles == note.bundle)
    exec_seconds = float(layout.exec_seconds[note.bundle])
    seconds = layout.task_seconds[mine]
    copies = exec_seconds - float(seconds.sum())  # of other bundles' tasks; they run first
    ends = copies + np.cumsum(seconds)
    sizes = workload.output_bytes[mine]
    early = np.isin(mine, note.tasks) & layout.stored[mine]
    rest = float(sizes[layout.stored[mine] & ~early].sum())
    pairs = zip(ends[early].tolist(), sizes[early].tolist(), strict=True)
    return left_to_store(pairs, rest, exec_seconds, workload.upload)


def _held(plan: Plan, memory: Ids, following: Ids, stretch: Ids) -> tuple[Ids, Floats]:
    """Which bundles hold their output back in case the fan-in becomes theirs, and how long."""
    held_for = np.full(len(following), NONE, dtype=np.int32)
    held_seconds = np.zeros(len(following))
    for note in plan.annotations:
        if not isinstance(note, CheckFanIn | HoldOutput):
            continue
        bundle, child = note.bundle, note.child
        flexible = plan.slots[child] == FLEXIBLE and stretch[child] == child
        other = held_for[bundle] not in (NONE, child)
        if other or following[bundle] != NONE or not flexible or memory[bundle] != memory[child]:
            raise AnnotationError(f"bundle {bundle} cannot hold its output for bundle {child}")
        held_for[bundle] = child
        if isinstance(note, HoldOutput):
            held_seconds[bundle] = note.wait_seconds
    return held_for, held_seconds


def _early_bytes(
    plan: Plan, workload: Workload, crossings: Crossings
) -> dict[int, dict[int, float]]:
    """What is pre-loaded, of what the bundle still takes: a duplicated task is not fetched."""
    asked = {
        (note.bundle, task)
        for note in plan.annotations
        if isinstance(note, PreloadInputs)
        for task in note.tasks
    }
    early: dict[int, dict[int, float]] = {}
    if asked:
        for bundle, task in zip(
            crossings.consumers.tolist(), crossings.tasks.tolist(), strict=True
        ):
            if (bundle, task) in asked:
                producer, sizes = int(plan.bundles[task]), early.setdefault(bundle, {})
                sizes[producer] = sizes.get(producer, 0.0) + float(workload.output_bytes[task])
    return early


def _prewarms(plan: Plan) -> dict[int, list[StartContainers]]:
    prewarms: dict[int, list[StartContainers]] = {}
    for note in plan.annotations:
        if isinstance(note, StartContainers):
            prewarms.setdefault(note.trigger, []).append(note)
    return prewarms
