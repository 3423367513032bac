"""Series: from what containers told to when everything happened; no store, no clock, no Bokeh.

All times are seconds since the run was submitted; infinity is what has not happened (yet). States
are worked out from times: now and at any earlier moment by the same few array operations.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from dask_serverless.client.structure import Structure
from dask_serverless.dashboard.lines import Lines
from dask_serverless.dashboard.states import State
from dask_serverless.worker.said import Said
from dask_serverless.worker.witness import FAILED, FINISHED, Batch, Sighting
from planners.graph.arrays import Bytes, Flags, Floats, Ids, unique_pairs

NEVER = float("inf")
NOBODY = -1
SILENT_SECONDS = 15.0  # a client looks after its run every second, if it is there
MOST_FAILURES = 1000  # that are kept with their words

States = npt.NDArray[np.uint8]


@dataclass
class ContainerSeries:
    """One container, as far as it told of itself."""

    name: str
    index: int
    cold: bool = False
    asked: float = NEVER
    arrived: float = NEVER
    since: float = NEVER  # when it turned to its first bundle
    last: float = 0.0  # when it finished something
    bundles: int = 0
    fetching: float = 0.0
    running: float = 0.0
    storing: float = 0.0
    calls: int = 0
    stored_bytes: int = 0
    peak_bytes: int = 0
    cpu_seconds: float = 0.0
    starts: int = 0
    expected: int = 0  # the number of its next sighting
    gone: str = ""  # why it was lost


@dataclass(frozen=True)
class Failed:
    """A task that raised, or what else ended a run."""

    task: int
    bundle: int
    container: str
    at: float
    words: Any  # of ``witness.words_of``


@dataclass(frozen=True)
class TriedAgain:
    """A task raised, and ran again on the same container."""

    task: int
    bundle: int
    container: int  # its index
    at: float
    why: str


@dataclass
class Series:
    """All that is known of one run. ``version`` grows with each change."""

    structure: Structure
    version: int = 0
    dropped: int = 0  # sightings that did not arrive
    over_at: float = NEVER
    over: Mapping[str, Any] | None = None  # what the client said at the end
    phases: Mapping[str, Any] = field(default_factory=dict)
    containers: dict[str, ContainerSeries] = field(default_factory=dict)
    failures: list[Failed] = field(default_factory=list)
    tries: dict[int, tuple[int, str]] = field(default_factory=dict)  # bundle → losses, the last why
    tried_again: list[TriedAgain] = field(default_factory=list)  # the first so many
    retries: dict[int, int] = field(default_factory=dict)  # task → attempts that raised, but one
    lines: Lines = field(default_factory=Lines)
    parts: dict[int, set[int]] = field(default_factory=dict)  # of bundles that were divided while
    # they ran: which of their tasks are done, by those parts that are finished
    latest: float = 0.0  # of all that was told
    abandoned: bool = False  # the client is silent, and has not said that it is over

    def __post_init__(self) -> None:
        bundles, tasks = self.structure.bundle_count, self.structure.tasks
        self.claimed: Floats = np.full(bundles, NEVER)
        self.fetched: Floats = np.full(bundles, NEVER)
        self.executed: Floats = np.full(bundles, NEVER)
        self.finished: Floats = np.full(bundles, NEVER)
        self.lost: Floats = np.full(bundles, NEVER)  # when its container was
        self.container: Ids = np.full(bundles, NOBODY, dtype=np.int32)
        self.task_begun: Floats = np.full(tasks, NEVER)
        self.task_ended: Floats = np.full(tasks, NEVER)
        self.task_failed: Floats = np.full(tasks, NEVER)
        self.task_again: Floats = np.full(tasks, NEVER)  # when it raised first, and was tried again
        self.nbytes: Bytes = np.full(tasks, -1, dtype=np.int64)  # of stored outputs; -1: not stored
        self.told_bytes = 0  # of stored outputs, as reports count them

    # What arrives

    def heed(self, batch: Batch) -> None:
        container = self.container_named(batch.container)
        self.dropped += max(0, batch.number - container.expected)
        container.expected = batch.number + len(batch.sightings)
        self.heed_container(container, batch)
        for sighting in batch.sightings:
            self.see(sighting, container)
        self.version += 1

    def container_named(self, name: str) -> ContainerSeries:
        if name not in self.containers:
            self.containers[name] = ContainerSeries(name, len(self.containers))
        return self.containers[name]

    def heed_container(self, container: ContainerSeries, batch: Batch) -> None:
        arrived = self.since(batch.arrived)
        if arrived != container.arrived:
            container.starts += 1
            if container.starts == 1:
                container.arrived, container.cold = arrived, batch.cold
                container.asked = self.since(batch.asked) if batch.asked else arrived
        container.peak_bytes = max(container.peak_bytes, batch.peak_bytes)
        container.cpu_seconds = max(container.cpu_seconds, batch.cpu_seconds)

    def since(self, moment: float) -> float:
        return moment - self.structure.submitted

    def see(self, sighting: Sighting, container: ContainerSeries) -> None:
        bundle = sighting.bundle
        if not 0 <= bundle < self.structure.bundle_count or self.finished[bundle] < NEVER:
            return  # of a container that was taken for lost, and came second
        begun = self.since(sighting.started)
        self.claimed[bundle] = begun
        self.container[bundle] = container.index
        self.see_tasks(sighting, begun)
        self.see_again(sighting, container, begun)
        end = begun + sighting.fetching + sighting.running + sighting.storing
        self.latest = max(self.latest, end)
        container.since = min(container.since, begun)
        container.last = max(container.last, end)
        if sighting.state == FINISHED:
            self.see_finished(sighting, container, end)
        elif sighting.state == FAILED:
            self.see_failed(sighting, container, end)

    def see_tasks(self, sighting: Sighting, begun: float) -> None:
        tasks = np.frombuffer(sighting.tasks, np.int32)
        begins = np.frombuffer(sighting.begins, np.float32)
        ends = np.frombuffer(sighting.ends, np.float32)
        known = min(len(begins), len(ends))
        tasks, begins, ends = tasks[:known], begins[:known], ends[:known]
        mine = (tasks >= 0) & (tasks < self.structure.tasks)
        self.task_begun[tasks[mine]] = begun + begins[mine]
        self.task_ended[tasks[mine]] = begun + ends[mine]

    def see_again(self, sighting: Sighting, container: ContainerSeries, begun: float) -> None:
        for task, after, why in sighting.again:
            if not 0 <= task < self.structure.tasks:
                continue
            at = begun + after
            self.retries[task] = self.retries.get(task, 0) + 1
            self.task_again[task] = min(self.task_again[task], at)
            if len(self.tried_again) < MOST_FAILURES:
                again = TriedAgain(task, sighting.bundle, container.index, at, str(why))
                self.tried_again.append(again)

    def see_finished(self, sighting: Sighting, container: ContainerSeries, end: float) -> None:
        bundle = sighting.bundle
        if self.is_whole(sighting):
            self.fetched[bundle] = self.claimed[bundle] + sighting.fetching
            self.executed[bundle] = end - sighting.storing
            self.finished[bundle] = end
        outputs = np.frombuffer(sighting.outputs, np.int32)
        mine = (outputs >= 0) & (outputs < self.structure.tasks)
        self.nbytes[outputs[mine]] = np.frombuffer(sighting.sizes, np.int64)[mine]
        self.told_bytes += sighting.stored_bytes
        container.bundles += 1
        container.fetching += sighting.fetching
        container.running += sighting.running
        container.storing += sighting.storing
        container.calls += sighting.calls
        container.stored_bytes += sighting.stored_bytes

    def is_whole(self, sighting: Sighting) -> bool:
        """Whether all of its bundle is finished: of one that was divided, also all other parts."""
        if not sighting.part:
            return True
        done = self.parts.setdefault(sighting.bundle, set())
        done.update(sighting.part)
        return done.issuperset(np.flatnonzero(self.structure.bundles == sighting.bundle).tolist())

    def see_failed(self, sighting: Sighting, container: ContainerSeries, end: float) -> None:
        blame = sighting.failure[1] if sighting.failure else None
        task = int(blame["task"]) if blame else NOBODY
        if 0 <= task < self.structure.tasks:
            self.task_failed[task] = end
        if len(self.failures) < MOST_FAILURES:
            failed = Failed(task, sighting.bundle, container.name, end, sighting.failure)
            self.failures.append(failed)

    def heed_lines(self, lines: Iterable[Said]) -> None:
        for line in lines:
            self.lines.add(line)
            self.version += 1

    def attempts(self, task: int) -> int:
        """The one that counts, or is under way."""
        lost, _ = self.tries.get(int(self.structure.bundles[task]), (0, ""))
        return 1 + lost + self.retries.get(task, 0)

    def heed_working(self, working: Mapping[int, str], now: float) -> None:
        """Which container has which bundle just now; containers tell of it only afterwards."""
        for bundle, name in working.items():
            unknown = 0 <= bundle < len(self.claimed) and self.finished[bundle] == NEVER
            if unknown and self.claimed[bundle] == NEVER:
                self.claimed[bundle] = now
                self.container[bundle] = self.container_named(name).index
                self.version += 1

    def heed_losses(self, losses: Sequence[tuple[int, int, str]], now: float) -> None:
        """(bundle, how many containers were lost with it, why the last one was)."""
        for bundle, tries, why in losses:
            if 0 <= bundle < len(self.lost) and self.tries.get(bundle, (0, ""))[0] < tries:
                self.tries[bundle] = (tries, why)
                self.lost[bundle] = min(self.lost[bundle], now)
                self.version += 1

    def heed_silence(self, seconds: float) -> None:
        """Of a client; one that was only stopped for a while comes back."""
        abandoned = self.over is None and seconds > SILENT_SECONDS
        if abandoned != self.abandoned:
            self.abandoned = abandoned
            self.version += 1

    def heed_end(self, told: Mapping[str, Any]) -> None:
        self.over = told
        self.abandoned = False
        self.over_at = self.since(float(told["at"]))
        self.phases = told.get("phases", {})
        self.heed_losses(told["losses"], self.latest)
        self.version += 1

    # What follows from it

    @cached_property
    def bundle_edges(self) -> tuple[Ids, Ids]:
        """(consumer, producer) of each edge between bundles, once, ordered by consumer."""
        structure = self.structure
        users = np.repeat(np.arange(structure.tasks), np.diff(structure.input_offsets))
        consumers, producers = structure.bundles[users], structure.bundles[structure.inputs]
        crossing = consumers != producers
        return unique_pairs(consumers[crossing], producers[crossing], structure.bundle_count)

    @cached_property
    def edges_by_producer(self) -> tuple[Ids, Ids]:
        """(task, bundle that uses it) of each edge of the graph, ordered by task."""
        structure = self.structure
        users = np.repeat(np.arange(structure.tasks), np.diff(structure.input_offsets))
        order = np.argsort(structure.inputs, kind="stable")
        return structure.inputs[order], structure.bundles[users[order]]

    @cached_property
    def crossing(self) -> Flags:
        """Tasks whose outputs other bundles use."""
        structure = self.structure
        users = np.repeat(np.arange(structure.tasks), np.diff(structure.input_offsets))
        crosses = structure.bundles[users] != structure.bundles[structure.inputs]
        crossing = np.zeros(structure.tasks, dtype=np.bool_)
        crossing[structure.inputs[crosses]] = True
        return crossing

    @property
    def stopped(self) -> Floats:
        """When each bundle was over, also those that failed."""
        stopped = self.finished.copy()
        for failed in self.failures:
            if 0 <= failed.bundle < len(stopped):
                stopped[failed.bundle] = min(stopped[failed.bundle], failed.at)
        return stopped

    @property
    def ready(self) -> Floats:
        """When each bundle had all it waits for."""
        consumers, producers = self.bundle_edges
        return latest_by(consumers, self.finished[producers], self.structure.bundle_count)

    @property
    def released(self) -> Floats:
        """When each task's output was needed no more."""
        tasks, users = self.edges_by_producer
        released = latest_by(tasks, self.finished[users], self.structure.tasks)
        released = np.maximum(released, self.finished[self.structure.bundles])
        released[self.structure.wanted] = NEVER
        return released

    def states(self, at: float = NEVER) -> States:
        """Of every task at a moment; without one, the latest there is."""
        at = min(at, 1e18)  # what never happens is later than any moment
        bundles = self.structure.bundles
        states = np.zeros(self.structure.tasks, dtype=np.uint8)
        states[(self.ready <= at)[bundles]] = State.READY
        if at < self.over_at and not self.abandoned:
            states[(self.claimed <= at)[bundles]] = State.RUNNING
        again = (self.lost <= at) & (self.finished > at)
        states[again[bundles] | (self.task_again <= at)] = State.RETRIED
        done = (self.task_ended <= at) | (self.finished <= at)[bundles]
        states[done] = State.DONE
        kept = self.crossing & (self.nbytes < 0) & (self.finished <= at)[bundles]
        states[kept] = State.KEPT
        states[self.released <= at] = State.RELEASED
        if self.succeeded and at >= self.over_at:  # so were those of which no container told
            states[(self.finished == NEVER)[bundles]] = State.DONE
        states[self.task_failed <= at] = State.FAILED
        return states

    @property
    def goes_on(self) -> bool:
        return self.over is None and not self.abandoned

    @property
    def succeeded(self) -> bool:
        return self.over is not None and self.over.get("error") == ""

    @property
    def end(self) -> float:
        """Of what is known: the run's end, or the latest that was told."""
        return self.over_at if self.over_at < NEVER else self.latest

    @property
    def untold(self) -> int:
        """Bundles of which nobody told, or not yet: those of a run that went well are done."""
        bundles = self.structure.bundle_count
        return bundles - self.done_bundles if self.succeeded else self.dropped

    @property
    def done_tasks(self) -> int:
        done = (self.task_ended < NEVER) | (self.finished < NEVER)[self.structure.bundles]
        return int(np.count_nonzero(done))

    @property
    def done_bundles(self) -> int:
        """That were told of."""
        return int(np.count_nonzero(self.finished < NEVER))


def latest_by(rows: Ids, times: Floats, count: int) -> Floats:
    """The latest time of each row; 0 for rows that have none. ``rows`` is ordered."""
    latest = np.zeros(count)
    if len(rows):
        starts = np.flatnonzero(np.concatenate(([True], rows[1:] != rows[:-1])))
        latest[rows[starts]] = np.maximum.reduceat(times, starts)
    return latest


def counted(groups: Ids, states: States, count: int) -> npt.NDArray[np.int64]:
    """How many tasks of each group are in each state: one row a group."""
    cells = groups.astype(np.int64) * len(State) + states
    return np.bincount(cells, minlength=count * len(State)).reshape(count, len(State))
