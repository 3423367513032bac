"""Performs the machine's instructions against a real store, real blobs and a real backend."""

from __future__ import annotations

import os
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import count

from dask_serverless.blobs import files
from dask_serverless.blobs.metered import metered
from dask_serverless.coordination.base import LOST, Answer, Assignment, Report
from dask_serverless.errors import (
    ResultNotPicklable,
    StoreError,
    StoreFull,
    StoreValueTooLarge,
)
from dask_serverless.worker import machine as m
from dask_serverless.worker.blame import Blame, of_input
from dask_serverless.worker.bundle import decode
from dask_serverless.worker.connections import Connections
from dask_serverless.worker.execute import StepFailed, Watch, prepared, run
from dask_serverless.worker.failure import as_exit, pack_failure, stored_at
from dask_serverless.worker.header import Header
from dask_serverless.worker.holding import Holding
from dask_serverless.worker.inputs import fetched, unpacked
from dask_serverless.worker.invitation import Invitation
from dask_serverless.worker.names import function_name
from dask_serverless.worker.outputs import Outputs, Unstorable, put_outputs
from dask_serverless.worker.table import FunctionFailed, unpack_table
from dask_serverless.worker.timing import Timer
from dask_serverless.worker.told import Finished, Progress, Times
from dask_serverless.worker.visit import Settled, Visit, Work

PROGRESS_SECONDS = 0.1
FAILURE_BYTES = 1 << 20  # a larger one is kept apart
TURN_SECONDS = 0.02  # with one run, before another one's turn: to change costs a millisecond
EARLY_SECONDS = 2.0  # a client that takes longer to plan and encode invites again
RUNS_REMEMBERED = 4  # a container that comes back to a run need not fetch its functions again


class Shell:
    """One container's side of the world."""

    def __init__(
        self,
        container: str,
        connections: Connections,
        *,
        invite: Callable[[Invitation], None],  # asks the backend for another container
        complain: Callable[[Invitation, str], None],  # the store cannot be used from here
        holding: Holding,
    ) -> None:
        self.container = container
        self.connections = connections
        self.invite = invite
        self.complain = complain
        self.holding = holding
        self.visits: OrderedDict[str, Visit] = OrderedDict()
        self.machine = m.Machine(tokens(container))
        self.current = Work(-1, "")
        self.deleted: list[bytes] = []
        self.interruptible = ""  # the claim for which user code runs just now
        self.early = False  # whether it waits for a run that is still being planned
        self.too_early = False  # whether it left that one, since another run needed it
        self.cold = True  # until it leaves for the first time
        files.keep()

    def work(self, invitation: Invitation) -> None:
        """Work on a run until nothing is left to do for this container."""
        self.invitation = invitation
        self.arrived = time.perf_counter()
        self.too_early = False
        self.deleted = []
        self.visit = self.visits.get(invitation.run) or self.begin(invitation)
        self.visit.meter.arrived(invitation.asked, time.time())
        todo = deque(self.machine.handle(m.Invited(invitation.slot)))
        while todo:
            event = self.perform(todo.popleft())
            if event is not None:
                todo.extend(self.machine.handle(event))

    def forget(self) -> None:
        """Let go of runs: their functions may hold a lot."""
        self.visits.clear()
        self.current = Work(-1, "")

    def begin(self, invitation: Invitation) -> Visit:
        coordination = self.connections.coordination(invitation)
        visit = self.visits[invitation.run] = Visit(coordination, coordination.calls)
        if len(self.visits) > RUNS_REMEMBERED:
            self.visits.popitem(last=False)
        return visit

    def perform(self, instruction: m.Instruction) -> m.Event | None:
        """What came of it, if the machine has to know."""
        try:
            return self.performed(instruction)
        except Interrupt:
            self.rest()
            return m.Interrupted()
        except StoreError as error:
            self.rest()
            return m.Unanswered(str(error))

    def performed(self, instruction: m.Instruction) -> m.Event | None:
        match instruction:
            case m.Fetch():
                return self.fetch(instruction.assignment, instruction.claim)
            case m.Execute():
                return self.run()
            case m.Publish():
                return self.publish(instruction)
            case m.Claim():
                return self.claim(instruction)
            case m.Fail():
                fail = self.visit.coordination.fail
                bundle, claim = instruction.bundle, instruction.claim
                before, error = self.current.before, instruction.error
                return m.Answered(fail(self.container, bundle, claim, error, before))
            case m.Invite():
                for whom in instruction.whom:
                    self.invite(self.invitation.to(whom, time.time()))
            case m.Delete():
                self.delete(instruction.references)
            case m.Discard():
                self.delete(self.current.written)
            case m.Complain():
                self.complain(self.invitation, instruction.why)
            case m.Leave():
                self.cold = False
                self.leave()
        return None

    def leave(self) -> None:
        """Nothing of the run goes on here; functions that hold open files are fetched again."""
        self.current = Work(-1, "")
        if files.close():
            self.forget()

    def rest(self) -> None:
        """No user code runs, and nothing is held."""
        self.interruptible = ""
        self.holding.drop()
        self.holding.end_locks()

    def claim(self, instruction: m.Claim) -> m.Event:
        visit = self.visit
        early = self.invitation.early and instruction.invited
        answer = self.await_run(instruction) if early else self.ask(instruction)
        if answer.header and visit.header is None:
            visit.header = Header.unpack(answer.header)
        self.hold(answer, instruction.claim)
        return m.Answered(answer)

    def ask(self, instruction: m.Claim, early_seconds: float = 0.0) -> Answer:
        return self.visit.coordination.claim(
            self.container,
            instruction.claim,
            slot=instruction.slot,
            invited=instruction.invited,
            header=self.visit.header is None,
            early_seconds=early_seconds,
        )

    def await_run(self, instruction: m.Claim) -> Answer:
        """The run is still being planned: wait for it, unless somebody else has work."""
        try:
            self.early = True
            if not self.holding.others_wait:
                return self.ask(instruction, EARLY_SECONDS)
        except Interrupt:
            pass  # perhaps too late: the claim may have been answered, and is then asked again
        finally:
            self.early = False
        answer = self.ask(instruction)
        self.too_early = answer.status == LOST
        return answer

    def hold(self, answer: Answer, claim: str) -> None:
        """From now on, and not only when functions are here: imports may outlast a lease."""
        if answer.assignment is None:
            self.holding.drop()
            return
        assert self.visit.header is not None
        lease_seconds = self.visit.header.lease_seconds
        self.holding.hold(self.invitation, answer.assignment.bundle, claim, lease_seconds)

    def fetch(self, assignment: Assignment, claim: str) -> m.Event:
        """Everything the bundle needs from outside, fetched together."""
        self.current = work = Work(assignment.bundle, claim, started=time.time())
        begun = time.perf_counter()
        self.interruptible = claim
        try:
            blobs = self.settle().blobs
            work.spec = decode(assignment.spec, lambda reference: blobs.get([reference])[0])
            work.constants = unpacked(work.spec, blobs)
            work.values = {**work.spec.constants, **work.constants}
            work.values.update(fetched(work.spec, assignment, blobs))
            self.interruptible = ""
        except (Interrupt, StoreError):
            raise
        except FunctionFailed as failed:
            blame = Blame("unpickling the function", function=failed.index)
            return self.raised(failed.__cause__ or failed, blame)
        except BaseException as error:
            return self.raised(error, self.blame(assignment))
        work.fetching = time.perf_counter() - begun
        return m.Fetched()

    def settle(self) -> Settled:
        """What this container needs once for the run."""
        visit, header = self.visit, self.visit.header
        if visit.settled is None:
            assert header is not None
            header.check_versions()
            header.enter()
            blobs = self.connections.blobs(self.invitation, header.storage)
            if header.measure:
                blobs = metered(blobs, visit.meter.transfer)
            table = unpack_table(blobs.get([header.functions])[0])
            visit.settled = Settled(blobs, [prepared(function) for function in table])
        return visit.settled

    def run(self) -> m.Event:
        work, header, settled = self.current, self.visit.header, self.visit.settled
        assert work.spec is not None and header is not None and settled is not None
        program, stored = work.spec.program, work.spec.stored
        watch = self.watch(header, work)
        begun = time.perf_counter()
        try:
            self.interruptible = work.claim
            run(program, settled.functions, work.values, stored, watch)
            self.interruptible = ""
        except StepFailed as failed:
            self.interruptible = ""
            assert failed.__cause__ is not None
            return self.raised(failed.__cause__, Blame("running", failed.task, failed.function))
        self.holding.end_locks()
        ended = time.perf_counter()
        work.running = ended - begun
        if header.measure and watch is None:
            self.visit.meter.unmeasured(work.running)
        return m.Ran(self.holding.others_wait and ended - self.arrived > TURN_SECONDS)

    def watch(self, header: Header, work: Work) -> Watch | None:
        """Who is to be told of each task, if anybody is."""
        meter = self.visit.meter
        if header.observe:
            work.timer = Timer(self.tell if header.progress else None)
            return work.timer.task
        if header.measure and work.spec is not None and meter.wants(work.spec.program):
            meter.begin(work.values)
            return meter.task
        return None

    def tell(self, times: Times) -> bool:
        """Progress for whoever watches, at a bounded rate; whether it was told."""
        work, now = self.current, time.monotonic()
        if now < work.told_at + PROGRESS_SECONDS:
            return False
        work.told_at = now
        progress = Progress(work.bundle, self.container, times).pack()
        with suppress(StoreError):  # the next call meets it, too
            self.visit.coordination.tell(work.bundle, work.claim, progress)
        return True

    def publish(self, instruction: m.Publish) -> m.Event:
        work, visit = self.current, self.visit
        header, settled = visit.header, visit.settled
        assert work.spec is not None and header is not None and settled is not None
        begun = time.perf_counter()
        try:
            outputs = put_outputs(work.spec, work.values, settled.blobs, self.names())
        except Unstorable as failed:
            work.written += failed.written
            return self.unstorable(failed.__cause__ or failed, failed.task)
        work.written += outputs.written
        work.constants.clear()  # files that they opened are closed when the client hears of it
        ended = time.perf_counter()
        told = self.finished(outputs, ended - begun)
        report = Report(
            work.bundle, work.claim, outputs.announced, work.spec.children, work.spec.releases,
            told.pack(), self.deleted,
        )  # fmt: skip
        try:
            answer = visit.coordination.publish(
                self.container, report, instruction.following, outputs.commands
            )
        except (StoreFull, StoreValueTooLarge) as error:
            return self.unstorable(error, work.spec.stored[-1] if work.spec.stored else -1)
        self.hold(answer, instruction.following)
        self.deleted = []
        if header.measure:
            visit.meter.published(outputs.commands, time.perf_counter() - ended)
        return m.Answered(answer)

    def finished(self, outputs: Outputs, storing: float) -> Finished:
        """What the client is told of the bundle."""
        work, visit = self.current, self.visit
        assert visit.header is not None and visit.settled is not None
        told_before, visit.told_calls = visit.told_calls, visit.coordination.calls + 1
        return Finished(
            work.bundle, self.container, work.started,
            fetching=work.fetching, running=work.running, storing=storing,
            calls=visit.told_calls - told_before,
            stored_bytes=outputs.nbytes, wanted_bytes=outputs.wanted_bytes,
            cold=self.cold, times=work.timer.times,
            outputs=outputs.wanted_within(visit.settled.blobs.inline_bytes),
            measured=visit.meter.report() if visit.header.measure else None,
        )  # fmt: skip

    def unstorable(self, error: BaseException, task: int) -> m.Event:
        assert self.current.spec is not None
        steps = self.current.spec.program
        function = next((step[1] for step in steps if step[0] == task), -1)
        if not isinstance(error, OSError | StoreError):
            name = self.name_of(function)
            error = ResultNotPicklable(name, f"{type(error).__name__}: {error}")
        return self.raised(error, Blame("storing the result of", task, function))

    def blame(self, assignment: Assignment) -> Blame:
        """Which of a bundle's inputs and constants could not be had."""
        spec, settled = self.current.spec, self.visit.settled
        if spec is None or settled is None:
            return Blame("fetching a bundle")
        inputs = dict(zip(spec.inputs, assignment.inputs, strict=False))
        return of_input(settled.blobs, {**inputs, **spec.packed, **spec.hoisted}, spec.program)

    def name_of(self, function: int) -> str:
        settled = self.visit.settled
        return function_name(settled.functions[function]) if settled is not None else ""

    def raised(self, error: BaseException, blame: Blame) -> m.Event:
        self.interruptible = ""
        try:
            if isinstance(error, Interrupt):
                return m.Interrupted()
            function = self.name_of(blame.function) if blame.task >= 0 else ""
            packed = pack_failure(
                as_exit(error, function or blame.doing),
                blame,
                container=self.container,
                bundle=self.current.bundle,
            )
        finally:
            self.rest()  # not before: a class may take longer to pickle than a lease lasts
        return m.Raised(self.kept(packed))

    def names(self) -> Iterator[str]:
        """Of blobs: without a gap, so that those which nobody announced can be found."""
        work = self.current
        return (f"{self.invitation.run}/{work.claim}-{n}" for n in count(len(work.written)))

    def kept(self, failure: bytes) -> bytes:
        """An exception with a large payload goes where large outputs go."""
        settled, work = self.visit.settled, self.current
        if settled is None or len(failure) <= FAILURE_BYTES:
            return failure
        try:
            stored = settled.blobs.put_apart(next(self.names()), failure)
        except Exception:  # no room: then it is the store that has to take it
            return failure
        work.written.append(stored.reference)
        work.before = stored.commands
        return stored_at(stored.reference)

    def delete(self, references: Sequence[bytes]) -> None:
        """What cannot be deleted now stays noted in the store, and goes with the run."""
        if self.visit.settled is not None:
            with suppress(StoreError, OSError):
                self.visit.settled.blobs.delete(references)
                self.deleted += references


class Interrupt(BaseException):
    """Raised in the thread that runs user code, to stop it."""


def tokens(container: str) -> Iterator[str]:
    count = 0
    salt = os.urandom(6).hex()
    while True:
        count += 1
        yield f"{container}.{salt}.{count}"
