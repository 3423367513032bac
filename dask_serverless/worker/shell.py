"""Performs the machine's instructions against a real store, real blobs and a real backend."""

from __future__ import annotations

import os
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgpack

from dask_serverless.blobs.base import Command
from dask_serverless.blobs.blobs import INLINE, Blobs
from dask_serverless.blobs.lock import StoreLock
from dask_serverless.blobs.places import open_places
from dask_serverless.coordination.base import Assignment, Report
from dask_serverless.coordination.redis import RedisCoordination
from dask_serverless.errors import BlobLost, ResultNotPicklable, StoreFull
from dask_serverless.store.link import Link
from dask_serverless.worker import machine as m
from dask_serverless.worker.ahead import Ahead
from dask_serverless.worker.blame import Blame, of_input
from dask_serverless.worker.bundle import BundleSpec, decode
from dask_serverless.worker.execute import StepFailed, prepared, run, run_timed
from dask_serverless.worker.failure import as_exit, pack_failure
from dask_serverless.worker.header import Header
from dask_serverless.worker.heartbeat import Heartbeat
from dask_serverless.worker.invitation import Invitation
from dask_serverless.worker.names import function_name
from dask_serverless.worker.table import FunctionFailed, Functions, unpack_table

EARLY_SECONDS = 2.0  # a client that takes longer to plan and encode invites again
RUNS_REMEMBERED = 4  # a container that comes back to a run need not fetch its functions again


@dataclass
class Visit:
    """A run as this container knows it."""

    coordination: RedisCoordination
    beats: RedisCoordination  # over a link of the heartbeat's own
    link: Link
    header: Header | None = None
    blobs: Blobs | None = None
    functions: Functions = field(default_factory=list)
    told_calls: int = 0  # of the link, already reported
    ahead: Ahead = field(default_factory=Ahead)


@dataclass
class Work:
    """The bundle under way."""

    bundle: int
    claim: str
    spec: BundleSpec | None = None
    values: dict[int, Any] = field(default_factory=dict)
    constants: dict[int, Any] = field(default_factory=dict)  # alive to the end, as at the client
    started: float = 0.0
    seconds: list[float] = field(default_factory=list)  # fetching, running, storing
    times: Sequence[tuple[int, float, float]] = ()
    written: list[bytes] = field(default_factory=list)


class Shell:
    """One container's side of the world; ``invite`` asks the backend for others."""

    def __init__(
        self,
        container: str,
        open_link: Callable[[str], Link],
        invite: Callable[[Invitation, Sequence[str]], None],
        lost: Callable[[str], None],
    ) -> None:
        self.container = container
        self.open_link = open_link
        self.invite = invite
        self.visits: OrderedDict[str, Visit] = OrderedDict()
        self.heartbeat = Heartbeat(container, lost)
        self.machine = m.Machine(tokens(container))
        self.current = Work(-1, "")
        self.deleted: list[bytes] = []
        self.interruptible = ""  # the claim whose tasks run just now
        self.cold = True  # until it leaves for the first time
        self.held_links: dict[tuple[str, str], Link] = {}

    def work(self, invitation: Invitation) -> None:
        """Work on a run until nothing is left to do for this container."""
        self.invitation = invitation
        self.deleted = []
        self.visit = self.visits.get(invitation.run) or self.begin(invitation)
        StoreLock.link = self.visit.link
        todo = deque(self.machine.handle(m.Invited(invitation.slot)))
        while todo:
            event = self.perform(todo.popleft())
            if event is not None:
                todo.extend(self.machine.handle(event))

    def reset(self) -> None:
        """Forget what was under way: it was stopped, or the store did not answer."""
        self.heartbeat.drop()
        self.interruptible = ""
        self.machine = m.Machine(self.machine.claims)

    def forget(self) -> None:
        """Let go of runs: their functions may hold a lot."""
        while self.visits:
            _, visit = self.visits.popitem()
            visit.ahead.close()
        self.current = Work(-1, "")

    def begin(self, invitation: Invitation) -> Visit:
        link = self.link(invitation.store, "work")
        beats = self.link(invitation.store, "heartbeat")
        place = (invitation.run, invitation.epoch)
        visit = Visit(RedisCoordination(link, *place), RedisCoordination(beats, *place), link)
        visit.told_calls = link.calls
        self.visits[invitation.run] = visit
        if len(self.visits) > RUNS_REMEMBERED:
            _, old = self.visits.popitem(last=False)
            old.ahead.close()
        return visit

    def link(self, store: str, purpose: str) -> Link:
        """A connection, for all runs on that store."""
        if (store, purpose) not in self.held_links:
            self.held_links[store, purpose] = self.open_link(store)
        return self.held_links[store, purpose]

    def perform(self, instruction: m.Instruction) -> m.Event | None:
        match instruction:
            case m.Fetch():
                return self.fetch(instruction.assignment, instruction.claim)
            case m.Run():
                return self.run()
            case m.Publish():
                return self.publish(instruction)
            case m.Claim():
                return self.claim(instruction)
            case m.Fail():
                answer = self.visit.coordination.fail(
                    self.container, instruction.bundle, instruction.claim, instruction.error
                )
                return m.Answered(answer)
            case m.Invite():
                self.invite(self.invitation, instruction.whom)
            case m.Delete():
                self.delete(instruction.references)
            case m.Discard():
                self.delete(self.current.written)
            case m.Leave():
                self.cold = False
                self.current = Work(-1, "")
        return None

    def claim(self, instruction: m.Claim) -> m.Event:
        visit = self.visit
        answer = visit.coordination.claim(
            self.container,
            instruction.claim,
            slot=instruction.slot,
            invited=instruction.invited,
            header=visit.header is None,
            ahead=visit.ahead.wish,
            early_seconds=EARLY_SECONDS if self.invitation.early and instruction.invited else 0.0,
        )
        visit.ahead.fetch(answer.upcoming)
        if answer.header and visit.header is None:
            visit.header = Header.unpack(answer.header)
        return m.Answered(answer)

    def fetch(self, assignment: Assignment, claim: str) -> m.Event:
        """Everything the bundle needs from outside, fetched together."""
        self.current = work = Work(assignment.bundle, claim, started=time.time())
        begun = time.perf_counter()
        try:
            blobs, lease = self.settle()
            self.heartbeat.hold((self.visit.beats, work.bundle, claim, lease / 3))
            early = self.visit.ahead.take(assignment.bundle)
            work.spec = spec = decode(assignment.spec or early.spec)
            for name, packed in spec.packed.items():
                work.constants[name] = blobs.get([packed])[0]
            work.values = {**spec.constants, **work.constants}
            names = [*spec.inputs, *spec.hoisted]
            references = [r for r in assignment.inputs if r] + list(spec.hoisted.values())
            if len(references) < len(names):
                raise BlobLost(f"task {names[list(assignment.inputs).index(None)]}")
            if references:
                work.values.update(zip(names, blobs.get(references, early.blobs), strict=True))
        except FunctionFailed as failed:
            blame = Blame("unpickling the function", function=failed.index)
            return self.raised(failed.__cause__ or failed, blame)
        except BaseException as error:
            return self.raised(error, self.blame(assignment))
        work.seconds.append(time.perf_counter() - begun)
        return m.Fetched()

    def settle(self) -> tuple[Blobs, float]:
        """What this container needs once for the run, and how long its claims last."""
        visit = self.visit
        assert visit.header is not None
        if visit.blobs is None:
            visit.header.check_versions()
            visit.header.enter()
            blobs = Blobs(
                open_places(visit.header.places, visit.link),
                inline_bytes=visit.header.inline_bytes,
                compression=visit.header.compression,
            )
            table = unpack_table(blobs.get([visit.header.functions])[0])
            visit.functions = [prepared(function) for function in table]
            visit.blobs = blobs
            if blobs.remote:
                visit.ahead.begin(self.open_link(self.invitation.store), visit.header)
        return visit.blobs, visit.header.lease_seconds

    def run(self) -> m.Event:
        work, visit = self.current, self.visit
        spec, header = work.spec, visit.header
        assert spec is not None and header is not None
        begun = time.perf_counter()
        runner = run_timed if header.observe else run
        try:
            self.interruptible = work.claim
            work.times = runner(spec.program, visit.functions, work.values, spec.stored) or ()
            self.interruptible = ""
        except StepFailed as failed:
            self.interruptible = ""
            assert failed.__cause__ is not None
            return self.raised(failed.__cause__, Blame("running", failed.task, failed.function))
        work.seconds.append(time.perf_counter() - begun)
        return m.Ran()

    def publish(self, instruction: m.Publish) -> m.Event:
        work, visit = self.current, self.visit
        spec, blobs = work.spec, visit.blobs
        assert spec is not None and blobs is not None
        begun = time.perf_counter()
        outputs: list[bytes | int] = []
        wanted: dict[int, bytes] = {}
        before: list[Command] = []
        moved = wanted_bytes = 0
        for task in spec.stored:
            name = f"{self.invitation.run}/{work.claim}-{len(work.written)}"
            try:
                reference, commands, nbytes = blobs.put(name, work.values.pop(task))
            except Exception as error:
                return self.unstorable(error, task)
            outputs += (task, reference)
            before += commands
            moved += nbytes
            if reference[:1] != INLINE:
                work.written.append(reference)
            if task in spec.wanted:
                wanted[task] = reference
                wanted_bytes += nbytes
        work.seconds.append(time.perf_counter() - begun)
        event: dict[str, Any] = {
            "b": work.bundle, "c": self.container, "s": work.started, "t": work.seconds,
            "n": visit.link.calls + 1 - visit.told_calls, "m": moved, "z": wanted_bytes,
            "w": self.cold,
        }  # fmt: skip
        visit.told_calls = visit.link.calls + 1
        if sum(map(len, wanted.values())) <= blobs.inline_bytes:
            event["o"] = wanted
        if work.times:
            event["p"] = work.times
        report = Report(
            work.bundle, work.claim, outputs, spec.children, spec.releases,
            bytes(msgpack.packb(event)), self.deleted,
        )  # fmt: skip
        try:
            answer = visit.coordination.publish(
                self.container, report, instruction.following, before, visit.ahead.wish
            )
        except StoreFull as error:
            visit.link.close()  # the server holds what it refused as long as the connection lives
            return self.unstorable(error, spec.stored[-1] if spec.stored else -1)
        self.heartbeat.drop()
        self.deleted = []
        visit.ahead.fetch(answer.upcoming)
        return m.Answered(answer)

    def unstorable(self, error: Exception, task: int) -> m.Event:
        assert self.current.spec is not None
        steps = self.current.spec.program
        function = next((step[1] for step in steps if step[0] == task), -1)
        if not isinstance(error, OSError | StoreFull):
            name = function_name(self.visit.functions[function])
            error = ResultNotPicklable(name, f"{type(error).__name__}: {error}")
        return self.raised(error, Blame("storing the result of", task, function))

    def blame(self, assignment: Assignment) -> Blame:
        """Which of a bundle's inputs and constants could not be had."""
        spec, blobs = self.current.spec, self.visit.blobs
        if spec is None or blobs is None:
            return Blame("fetching a bundle")
        inputs = dict(zip(spec.inputs, assignment.inputs, strict=False))
        return of_input(blobs, {**inputs, **spec.packed, **spec.hoisted}, spec.program)

    def raised(self, error: BaseException, blame: Blame) -> m.Event:
        self.heartbeat.drop()
        if isinstance(error, Interrupt):
            return m.Interrupted()
        function = function_name(self.visit.functions[blame.function]) if blame.task >= 0 else ""
        packed = pack_failure(
            as_exit(error, function or blame.doing),
            blame,
            container=self.container,
            bundle=self.current.bundle,
        )
        return m.Raised(packed)

    def delete(self, references: Sequence[bytes]) -> None:
        if self.visit.blobs is not None:
            self.visit.blobs.delete(references)
            self.deleted += references


class Interrupt(BaseException):
    """Raised in the thread that runs user code, to stop it."""


def tokens(container: str) -> Iterator[str]:
    count = 0
    salt = os.urandom(6).hex()
    while True:
        count += 1
        yield f"{container}.{salt}.{count}"
