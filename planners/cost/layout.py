"""Layout: what the cost model needs to know of a plan before time passes, as one array per fact."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from planners.cost.coming import PART_BYTES, Coming
from planners.cost.lasting import kept_before
from planners.cost.platform import Platform
from planners.graph.arrays import Flags, Floats, Ids, sums
from planners.numbers.predictions import left_to_store, transfer_seconds
from planners.numbers.workload import Workload
from planners.plans.annotations import (
    DuplicateTask,
    PreloadInputs,
    StartContainers,
    StreamInputs,
    StreamOutputs,
)
from planners.plans.crossings import Crossings
from planners.plans.legality import check_values
from planners.plans.plan import FLEXIBLE, Plan
from planners.plans.succession import NONE, Succession, only_children

Places = npt.NDArray[np.int64]
Edge = tuple[int, int, float]  # from a bundle to another one, with its bytes


@dataclass(frozen=True, eq=False)
class Layout:
    """Static facts of a plan on a platform; what a stretch is, ``Succession`` says."""

    plan: Plan
    crossings: Crossings
    succession: Succession
    memory_mb: Ids
    task_seconds: Floats  # per task, in the container that it is planned for
    exec_seconds: Floats
    constant_bytes: Floats  # of a bundle's tasks; fetched with the inputs
    pair_bytes: Floats
    large_pair_bytes: Floats  # the same without outputs that travel inline
    fetch_bytes: Floats  # what comes from outside the stretch
    unpack_seconds: Floats  # of that, once it is here
    kept: Flags  # per crossing: an earlier bundle of the slot took it, and it is still here
    pair_fetch_bytes: Floats  # the same of each pair, wherever its bundles run
    pair_unpack_seconds: Floats
    stored: Flags  # per task: somebody outside the stretch needs it, or the client
    store_bytes: Floats
    pack_seconds: Floats  # before it is stored
    store_seconds: Floats  # from the last task's end to the answer of publish
    held_bytes: Floats  # what is stored even when the fan-in is ours
    early_bytes: dict[int, dict[int, float]]  # bundle → producer → bytes to fetch early
    coming: dict[int, dict[int, Coming]]  # bundle → producer → what is fetched while it is stored
    prewarms: dict[int, list[StartContainers]]  # by trigger

    @property
    def bundles(self) -> int:
        return len(self.plan.slots)

    @property
    def next(self) -> Ids:
        return self.succession.next

    @property
    def stretch(self) -> Ids:
        return self.succession.stretch

    def stored_by_bundle(self) -> dict[int, list[int]]:
        """The tasks whose outputs each bundle stores, in the order in which they run."""
        tasks = np.flatnonzero(self.stored)
        by_bundle: dict[int, list[int]] = {}
        for task, bundle in zip(tasks.tolist(), self.plan.bundles[tasks].tolist(), strict=True):
            by_bundle.setdefault(bundle, []).append(task)
        return by_bundle

    def repacking(self, producer: int, consumer: int) -> float:
        """Seconds to pickle and to unpickle what the one gives to the other."""
        pair = self.crossings.pair(producer, consumer)
        return float(self.pack_seconds[producer] + self.pair_unpack_seconds[pair])

    def handovers(self) -> list[Edge]:
        """Where a container that is free then has an only child to keep: parent, child, bytes."""
        parents, children, sizes = only_children(
            self.plan.slots, self.memory_mb, self.crossings, self.pair_bytes
        )
        following = self.next[parents]
        free = (following == NONE) | (self.plan.slots[following] == FLEXIBLE)
        rows = parents[free].tolist(), children[free].tolist(), sizes[free].tolist()
        return list(zip(*rows, strict=True))

    def fan_ins(self) -> list[Edge]:
        """Where a container may go on with a fan-in that alone needs its output; what may wait."""
        return self._edges(self._fan_ins_among(np.flatnonzero(self.large_pair_bytes)))

    def asks(self, least_bytes: float) -> list[Edge]:
        """Those of them for which containers ask before they store, whatever the plan says.

        Asking costs a call, and only the last one of a fan-in's inputs is given it.
        """
        sizes = self.large_pair_bytes
        pairs = self._fan_ins_among(np.flatnonzero(sizes >= least_bytes))
        if not len(pairs):
            return []
        crossings = self.crossings
        waited_for = np.bincount(crossings.consumers)[crossings.pair_consumers[pairs]]
        brought = np.bincount(crossings.pair_of)[pairs]
        return self._edges(pairs[sizes[pairs] * brought >= least_bytes * waited_for])

    def _fan_ins_among(self, pairs: Places) -> Places:
        parents, children = self.crossings.pair_producers, self.crossings.pair_consumers
        pairs = pairs[self.plan.slots[children[pairs]] == FLEXIBLE]
        pairs = pairs[self.next[parents[pairs]] == NONE]
        if not len(pairs):  # as in most plans
            return pairs
        pairs = pairs[self.crossings.taker_counts[parents[pairs]] == 1]
        pairs = pairs[self.stretch[children[pairs]] == children[pairs]]
        alike = self.memory_mb[parents[pairs]] == self.memory_mb[children[pairs]]
        return np.asarray(pairs[alike])

    def _edges(self, pairs: Places) -> list[Edge]:
        crossings = self.crossings
        columns = crossings.pair_producers, crossings.pair_consumers, self.large_pair_bytes
        return list(zip(*[column[pairs].tolist() for column in columns], strict=True))


def lay_out(plan: Plan, workload: Workload, platform: Platform) -> Layout:
    dag, count = workload.dag, len(plan.slots)
    check_values(dag, count, plan.annotations)
    copies = [note for note in plan.annotations if isinstance(note, DuplicateTask)]
    crossings = Crossings.of(dag, plan.bundles, count, copies)
    pair_bytes = crossings.pair_sums(workload.output_bytes)
    large = workload.output_bytes > platform.inline_bytes
    memory = np.where(plan.memory_mb > 0, plan.memory_mb, platform.default_memory_mb)
    memory = memory.astype(np.int32)
    succession = Succession.of(plan.slots, memory, plan.annotations, crossings, pair_bytes)
    succession.check()
    task_seconds = _task_seconds(plan, memory, workload)
    exec_seconds = platform.bundle_seconds + sums(
        plan.bundles, task_seconds + platform.task_seconds, count
    )
    constant_bytes = sums(plan.bundles, dag.constant_bytes, count)
    for copy in copies:
        exec_seconds[copy.bundle] += workload.seconds(int(memory[copy.bundle]))[copy.task]
        constant_bytes[copy.bundle] += dag.constant_bytes[copy.task]
    stretch = succession.stretch
    outside = stretch[crossings.producers] != stretch[crossings.consumers]
    stored = _stored(workload, crossings, outside)
    elsewhere = outside & (succession.held_for[crossings.producers] != crossings.consumers)
    held = _stored(workload, crossings, elsewhere)
    kept = kept_before(workload, plan, crossings, stretch)
    anew = outside & ~kept
    takers, fetched = crossings.consumers[anew], crossings.tasks[anew]
    storing = Storing(plan, workload, task_seconds, exec_seconds, stored)
    return Layout(
        plan=plan,
        crossings=crossings,
        succession=succession,
        memory_mb=memory,
        task_seconds=task_seconds,
        exec_seconds=exec_seconds,
        constant_bytes=constant_bytes,
        pair_bytes=pair_bytes,
        large_pair_bytes=crossings.pair_sums(np.where(large, workload.output_bytes, 0.0)),
        fetch_bytes=constant_bytes + sums(takers, workload.output_bytes[fetched], count),
        unpack_seconds=sums(takers, workload.unpacking[fetched], count),
        kept=kept,
        pair_fetch_bytes=crossings.pair_sums(workload.output_bytes, ~kept),
        pair_unpack_seconds=crossings.pair_sums(workload.unpacking, ~kept),
        stored=stored,
        store_bytes=storing.bytes,
        pack_seconds=storing.packing,
        store_seconds=storing.packing + storing.seconds() + platform.publish_seconds,
        held_bytes=sums(plan.bundles, np.where(held, workload.output_bytes, 0.0), count),
        early_bytes=_early_bytes(plan, workload, crossings, kept),
        coming=_coming(plan, workload, crossings, kept, storing),
        prewarms=_prewarms(plan),
    )


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


@dataclass(frozen=True, eq=False)
class Storing:
    """What each bundle stores, and how long that takes after its last task."""

    plan: Plan
    workload: Workload
    task_seconds: Floats
    exec_seconds: Floats
    stored: Flags

    @cached_property
    def bytes(self) -> Floats:
        sizes = np.where(self.stored, self.workload.output_bytes, 0.0)
        return sums(self.plan.bundles, sizes, len(self.plan.slots))

    @cached_property
    def packing(self) -> Floats:
        """Before it leaves; what leaves early is pickled by a thread."""
        late = self.stored.copy()
        for note in self.plan.annotations:
            if isinstance(note, StreamOutputs):
                late[list(note.tasks)] = False
        seconds = np.where(late, self.workload.packing, 0.0)
        return sums(self.plan.bundles, seconds, len(self.plan.slots))

    def seconds(self) -> Floats:
        seconds = transfer_seconds(self.workload.upload, self.bytes)
        for note in self.plan.annotations:
            if isinstance(note, StreamOutputs):
                seconds[note.bundle] = self._streamed(note)
        return seconds

    def _streamed(self, note: StreamOutputs) -> float:
        early = self._early(note)
        mine = self.stored & (self.plan.bundles == note.bundle)
        mine[[task for task, _, _ in early]] = False
        rest = float(self.workload.output_bytes[mine].sum())
        pairs = [(end, size) for _, end, size in early]
        return left_to_store(pairs, rest, self._exec_seconds(note), self.workload.upload)

    def leads(self) -> dict[int, float]:
        """How long before its bundle's last task is done each early output begins to leave."""
        found, upload = {}, self.workload.upload
        for note in self.plan.annotations:
            if isinstance(note, StreamOutputs):
                clock = 0.0
                for task, end, size in self._early(note):
                    clock = max(clock, end)
                    found[task] = max(self._exec_seconds(note) - clock, 0.0)
                    clock += upload.at(size) if size else 0.0
        return found

    def _early(self, note: StreamOutputs) -> list[tuple[int, float, float]]:
        """Tasks whose outputs leave early, when each is done, and its bytes."""
        mine = np.flatnonzero(self.plan.bundles == note.bundle)
        seconds = self.task_seconds[mine]
        copies = self._exec_seconds(note) - float(seconds.sum())  # of other bundles' tasks
        ends = copies + np.cumsum(seconds)  # copies run first
        early = np.isin(mine, note.tasks) & self.stored[mine]
        sizes = self.workload.output_bytes[mine]
        columns = mine[early].tolist(), ends[early].tolist(), sizes[early].tolist()
        return list(zip(*columns, strict=True))

    def _exec_seconds(self, note: StreamOutputs) -> float:
        return float(self.exec_seconds[note.bundle])


def _early_bytes(
    plan: Plan, workload: Workload, crossings: Crossings, kept: Flags
) -> dict[int, dict[int, float]]:
    """What is pre-loaded, of what the bundle still takes: a duplicated task is not fetched."""
    asked = _asked(plan, PreloadInputs)
    early: dict[int, dict[int, float]] = {}
    for bundle, task in _taken(asked, crossings, kept):
        producer, sizes = int(plan.bundles[task]), early.setdefault(bundle, {})
        sizes[producer] = sizes.get(producer, 0.0) + float(workload.output_bytes[task])
    return early


def _coming(
    plan: Plan, workload: Workload, crossings: Crossings, kept: Flags, storing: Storing
) -> dict[int, dict[int, Coming]]:
    """What comes in parts. What is pre-loaded as well is counted there."""
    asked = _asked(plan, StreamInputs) - _asked(plan, PreloadInputs)
    found: dict[int, dict[int, Coming]] = {}
    leads = storing.leads() if asked else {}
    for bundle, task in _taken(asked, crossings, kept):
        size = float(workload.output_bytes[task])
        if size > PART_BYTES:
            producer, coming = int(plan.bundles[task]), found.setdefault(bundle, {})
            before = coming.get(producer, Coming(0.0, 0.0))
            coming[producer] = before.and_one_of(size, leads.get(task, 0.0))
    return found


def _asked(plan: Plan, kind: type[PreloadInputs] | type[StreamInputs]) -> set[tuple[int, int]]:
    return {
        (note.bundle, task)
        for note in plan.annotations
        if isinstance(note, kind)
        for task in note.tasks
    }


def _taken(
    asked: set[tuple[int, int]], crossings: Crossings, kept: Flags
) -> Iterator[tuple[int, int]]:
    """Of these inputs, those that a bundle really takes from another one, and has not got."""
    if asked:
        takers, tasks = crossings.consumers[~kept], crossings.tasks[~kept]
        rows = zip(takers.tolist(), tasks.tolist(), strict=True)
        yield from (row for row in rows if row in asked)


def _prewarms(plan: Plan) -> dict[int, list[StartContainers]]:
    prewarms: dict[int, list[StartContainers]] = {}
    for note in plan.annotations:
        if isinstance(note, StartContainers):
            prewarms.setdefault(note.trigger, []).append(note)
    return prewarms
