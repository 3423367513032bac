"""What a container tells whoever watches a run: its bundles and their tasks, in batches."""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

import msgpack

from dask_serverless.worker.bundle import Step
from dask_serverless.worker.execute import Watch
from dask_serverless.worker.outputs import Outputs
from dask_serverless.worker.rhythm import NEVER, Rhythm
from dask_serverless.worker.told import Finished

if TYPE_CHECKING:
    from dask_serverless.worker.usage import Usage

FINE_SECONDS = 25e-6  # of a step: to time it costs half a microsecond
UNDER_WAY, FINISHED, FAILED = range(3)
MOST_QUEUED = 10_000  # sightings that wait to be sent; the oldest are dropped first
MOST_EXCEPTIONS = 20  # of one failure that are shown
MOST_CHARACTERS = 500  # of why a task is tried again


class Again(NamedTuple):
    """A task raised, and is tried again where its inputs are."""

    task: int
    after: float  # seconds since its bundle started
    why: str


class Sighting(NamedTuple):
    """A bundle as its container saw it. Tasks are told once, in whichever sighting comes next."""

    bundle: int
    state: int  # UNDER_WAY, FINISHED or FAILED
    started: float  # seconds of the epoch
    fetching: float  # seconds
    running: float
    storing: float
    calls: int  # to the store, since the container told of a bundle before
    stored_bytes: int
    tasks: bytes  # int32 each
    begins: bytes  # float32 each: seconds after ``started``
    ends: bytes  # of a task that raised there is none
    outputs: bytes  # tasks whose outputs were stored, int32 each
    sizes: bytes  # their bytes, int64 each
    failure: Any = None  # what ``words_of`` makes of one
    again: Sequence[Again] = ()  # told once, as tasks are
    part: Sequence[int] = ()  # the tasks of a part of the bundle that is finished; empty: all of it


def _sighting(fields: Sequence[Any]) -> Sighting:
    sighting = Sighting(*fields)
    return sighting._replace(again=[Again(*each) for each in sighting.again])


class Batch(NamedTuple):
    """What travels: one entry of the run's stream."""

    container: str
    number: int  # of the first sighting here, counted from 0; a gap tells how many were dropped
    cold: bool
    asked: float  # seconds of the epoch; 0: unknown
    arrived: float
    peak_bytes: int  # of memory, since it came to the run
    cpu_seconds: float  # for this run, all in all
    sightings: Sequence[Sighting]

    def pack(self) -> bytes:
        return bytes(msgpack.packb(self, unicode_errors="surrogatepass"))

    @staticmethod
    def unpack(data: bytes) -> Batch:
        fields: list[Any] = msgpack.unpackb(data, unicode_errors="surrogatepass")
        fields[-1] = [_sighting(each) for each in fields[-1]]
        return Batch(*fields)


class Witness:
    """Of one run, in one container. ``send`` is for what cannot ride along with a publish."""

    def __init__(self, rhythm: Rhythm, send: Callable[[bytes], None]) -> None:
        self.rhythm = rhythm
        self.send = send
        self.queue: deque[Sighting] = deque(maxlen=MOST_QUEUED)
        self.seen = 0  # sightings so far
        self.container, self.cold, self.asked, self.arrived = "", False, 0.0, 0.0
        self.usage: Usage | None = None
        self.spent_before = 0.0  # processor time, of earlier stays with this run
        self.spent = 0.0  # with this stay's
        self.due_at = perf_counter() + rhythm.seconds
        self.fine: set[int] = set()  # functions whose tasks are too short to be timed one by one
        self.steps, self.functions = 0, set[int]()  # of the bundle under way
        self.timed_until = NEVER  # since it started; NEVER: nobody times its tasks
        self.begin(-1, 0.0, 0.0)

    def came(self, container: str, cold: bool, asked: float, arrived: float, usage: Usage) -> None:
        """``usage`` has begun with this stay: what was taken before it, others have."""
        self.container, self.cold, self.asked, self.arrived = container, cold, asked, arrived
        self.usage, self.spent_before = usage, self.spent

    def begin(self, bundle: int, started: float, begun: float) -> None:
        """The container turns to a bundle; ``begun`` is the same moment by the clock of tasks."""
        self.bundle, self.started, self.begun = bundle, started, begun
        self.timed_until = NEVER
        self.begin_tasks()

    def part_of(self, bundle: int) -> None:
        """It is a part of this one."""
        self.bundle = bundle

    def watch(self, program: list[Step]) -> Watch | None:
        """Who times the bundle's tasks; nobody, where that would cost more than it tells."""
        self.steps, self.functions = len(program), {step[1] for step in program}
        if self.functions <= self.fine:
            return None
        self.timed_until = perf_counter() - self.begun
        return self.task

    def learn(self, seconds: float) -> None:
        """How long the bundle took says whether the next one like it is timed."""
        if seconds < FINE_SECONDS * self.steps:
            self.fine |= self.functions
        else:
            self.fine -= self.functions

    def begin_tasks(self) -> None:
        self.tasks, self.begins, self.ends = array("i"), array("f"), array("f")
        self.again: list[Again] = []

    def task(
        self, steps: Sequence[Step], start: float, end: float, values: Mapping[int, Any]
    ) -> bool:
        begun = self.begun
        self.tasks.append(steps[-1][0])
        self.begins.append(start - begun)
        self.timed_until = end - begun
        self.ends.append(self.timed_until)
        if end > self.due_at:
            self.see(UNDER_WAY, 0.0, end - begun)
            self.send(self.batch())
        return True

    def raised(self, task: int, why: str) -> None:
        """It is tried again, after a pause that is longer than to tell of it."""
        after = perf_counter() - self.begun
        self.again.append(Again(task, after, why[:MOST_CHARACTERS]))
        if self.rhythm.seconds < NEVER:
            self.see(UNDER_WAY, 0.0, after)
            self.send(self.batch())

    def finished(self, told: Finished, outputs: Outputs) -> bytes:
        """What rides along with the bundle's publish; empty if it is not time yet."""
        self.learn(told.running)
        tasks = outputs.announced[::2]
        self.see(
            FINISHED, told.fetching, told.running, told.storing, told.calls, tasks, outputs.sizes,
            part=told.part or (),
        )  # fmt: skip
        return self.batch() if self.due() else b""

    def failed(self, failure: bytes) -> None:
        words = words_of(failure)
        if words[1] and words[1]["task"] >= 0 and self.timed_until < NEVER:
            self.tasks.append(words[1]["task"])
            self.begins.append(self.timed_until)
        self.see(FAILED, perf_counter() - self.begun, failure=words)
        self.send(self.batch())

    def left(self) -> None:
        """The container leaves the run."""
        self.spend()
        if self.queue:
            self.send(self.batch())

    def due(self) -> bool:
        return len(self.queue) >= self.rhythm.bundles or perf_counter() >= self.due_at

    def see(
        self,
        state: int,
        fetching: float,
        running: float = 0.0,
        storing: float = 0.0,
        calls: int = 0,
        outputs: Sequence[Any] = (),  # tasks
        sizes: Sequence[int] = (),
        failure: Any = None,
        part: Sequence[int] = (),
    ) -> None:
        self.seen += 1
        self.queue.append(
            Sighting(
                self.bundle, state, self.started, fetching, running, storing, calls,
                sum(sizes), self.tasks.tobytes(), self.begins.tobytes(),
                self.ends.tobytes(), array("i", outputs).tobytes(),
                array("q", sizes).tobytes(), failure, self.again, part,
            )
        )  # fmt: skip
        self.begin_tasks()

    def spend(self) -> None:
        if self.usage is not None:
            self.spent = self.spent_before + self.usage.taken

    def batch(self) -> bytes:
        self.spend()
        peak = self.usage.memory.peak() if self.usage is not None else 0
        batch = Batch(
            self.container, self.seen - len(self.queue), self.cold, self.asked, self.arrived,
            peak, self.spent, list(self.queue),
        )  # fmt: skip
        self.queue.clear()
        self.due_at = perf_counter() + self.rhythm.seconds
        return batch.pack()


class Unseen:
    """In place of a witness, where nobody watches: nothing is noted, nothing told."""

    def watch(self, program: Sequence[Step]) -> Watch | None:
        return None

    def came(
        self, container: str, cold: bool, asked: float, arrived: float, usage: Usage
    ) -> None: ...

    def begin(self, bundle: int, started: float, begun: float) -> None: ...

    def part_of(self, bundle: int) -> None: ...

    def raised(self, task: int, why: str) -> None: ...

    def finished(self, told: Finished, outputs: Outputs) -> bytes:
        return b""

    def failed(self, failure: bytes) -> None: ...

    def left(self) -> None: ...


UNSEEN = Unseen()


def words_of(failure: bytes) -> Any:
    """What people can read of a packed failure: no pickle goes to whoever watches."""
    what, *details = msgpack.unpackb(failure, unicode_errors="surrogatepass")
    if what != "raised":
        return [what, None, []]
    chain = details[0]["chain"][:MOST_EXCEPTIONS]
    told = [[each[part] for part in ("kind", "module", "text", "frames")] for each in chain]
    return [what, details[0]["blame"], told]
