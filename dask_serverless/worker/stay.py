"""One stay of a container with a run: performs the machine's instructions against real things."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, closing, nullcontext, suppress
from dataclasses import replace
from functools import partial

from dask_serverless.coordination.base import OK, Answer, Assignment
from dask_serverless.errors import StoreError, StoreFull, StoreValueTooLarge
from dask_serverless.worker import machine as m
from dask_serverless.worker.again import nowhere, references, with_makers
from dask_serverless.worker.aside import Aside
from dask_serverless.worker.asking import Asking
from dask_serverless.worker.attempt import Attempt
from dask_serverless.worker.blame import Blame
from dask_serverless.worker.bundle import decode
from dask_serverless.worker.early import Early
from dask_serverless.worker.execute import StepFailed, Watch, together
from dask_serverless.worker.inputs import fetched, unpickled
from dask_serverless.worker.interruption import Interrupt
from dask_serverless.worker.invitation import Invitation
from dask_serverless.worker.known_run import KnownRun
from dask_serverless.worker.means import Means
from dask_serverless.worker.offering import Offering
from dask_serverless.worker.outputs import Outputs, Unstorable
from dask_serverless.worker.overdue import Overdue
from dask_serverless.worker.packing import Packing
from dask_serverless.worker.raising import Raising, unstorable
from dask_serverless.worker.shelf import Shelf, beside
from dask_serverless.worker.table import FunctionFailed
from dask_serverless.worker.telling import Telling
from dask_serverless.worker.timing import Timer
from dask_serverless.worker.told import Times
from dask_serverless.worker.work import Work

HELD_BYTES = 512 << 20  # of outputs that wait in memory while other bundles run
TURN_SECONDS = 0.02  # with one run, before another one's turn: to change costs a millisecond


class Stay:
    """From an invitation until the container leaves."""

    def __init__(
        self, means: Means, invitation: Invitation, run: KnownRun, claims: Iterator[str], cold: bool
    ) -> None:
        self.means = means
        self.invitation = invitation
        self.run = run
        self.machine = m.Machine(claims)
        self.asking = Asking(means, invitation, run, cold)
        self.aside = Aside(means, invitation, run)
        self.telling = Telling(means, run, cold)
        self.cold = cold
        self.arrived = time.perf_counter()
        self.attempt = Attempt(invitation.run, means.container, -1, "")
        self.work: Work | None = None
        self.shelf = Shelf(means.memory_mb)
        self.unannounced: list[bytes] = []  # what the call under way is to announce
        self.deleted: list[bytes] = []  # not reported yet
        self.after = -1  # the last bundle that it took because it was the next one
        self.came = time.time()
        run.meter.arrived(invitation.asked, self.came)
        means.usage.begin(invitation.charged)

    def live(self) -> None:
        todo = deque(self.machine.handle(m.Invited(self.invitation.slot)))
        try:
            while todo:
                event = self.perform(todo.popleft())
                if event is not None:
                    todo.extend(self.machine.handle(event))
        finally:
            self.run.voice.end()

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
                return self.execute()
            case m.Publish():
                return self.publish(instruction)
            case m.Claim():
                return self.claim(instruction)
            case m.Fail():
                return self.fail(instruction)
            case m.Invite():
                for whom in instruction.whom:
                    self.means.invite(self.invitation.to(whom, time.time()))
            case m.Delete():
                self.delete(instruction.references)
            case m.Discard():
                self.delete(self.unannounced)
                self.shelf.clear()
            case m.Complain():
                self.means.complain(self.invitation, instruction.why)
            case m.Leave():
                self.work = None
                self.run.left()
                self.shelf.clear()
                self.run.witness.left()
        return None

    def rest(self) -> None:
        """No user code runs, and nothing is held."""
        if self.work is not None:
            self.work.give_up()
        self.means.interruption.claim = ""
        self.means.holding.drop()
        self.means.holding.end_locks()

    def claim(self, instruction: m.Claim) -> m.Event:
        answer = self.asking.claim(instruction)
        self.run.introduced(answer.header)
        if instruction.invited:
            asked = self.invitation.asked
            self.run.witness.came(
                self.means.container, self.cold, asked, self.came, self.means.usage
            )
        self.turned_to(answer)
        self.asking.hold(answer, instruction.claim, self.shelf)
        return m.Answered(answer)

    def fetch(self, assignment: Assignment, claim: str) -> m.Event:
        """Everything the bundle needs from outside, fetched together."""
        self.work = None  # what the bundle before had goes first
        begun = time.perf_counter()
        interruption, connections = self.means.interruption, self.means.connections
        bundle, spec, inputs = assignment.bundle, None, {}
        self.attempt = Attempt(self.invitation.run, self.means.container, bundle, claim)
        self.run.witness.begin(bundle, self.attempt.started, begun)
        self.run.voice.begin()
        interruption.claim = claim
        try:
            if assignment.refused is not None:
                raise assignment.refused
            settled = self.run.settle(lambda storage: connections.blobs(self.invitation, storage))
            blobs = settled.blobs
            decoded = partial(decode, fetch=lambda reference: blobs.get([reference])[0])
            spec = decoded(assignment.spec)
            in_parts = self.aside.begin(spec)
            here, at_risk = self.shelf.take(spec.inputs, spec.lasting)
            inputs = references(spec, assignment, here)
            if assignment.makers and nowhere(inputs):
                spec, inputs = with_makers(spec, assignment, decoded)
            constants = unpickled(spec, blobs)
            values = {**spec.constants, **constants, **here}
            packing = Packing(spec.lasting)
            unpacks = packing.unpacks(list(inputs))
            values.update(fetched(inputs, spec.hoisted, blobs, unpacks))
            if spec.lasting:
                slow, lasting = packing.slow, spec.lasting
                self.shelf.lasting.keep(values, {t: slow[t] for t in lasting if t in slow})
            self.run.fetched(spec.inputs)
            interruption.claim = ""
        except (Interrupt, StoreError):
            raise
        except FunctionFailed as failed:
            blame = Blame("unpickling the function", function=failed.index)
            return self.unreadable(failed.__cause__ or failed, blame)
        except BaseException as error:
            return self.unreadable(error, self.raising.blame(spec, inputs))
        fetching = time.perf_counter() - begun
        parting = None
        if spec.limit is not None:
            offering = Offering(self.means, self.invitation, self.run, self.attempt)
            spec, parting = offering.parted(spec, assignment)
        self.work = Work(
            self.attempt, settled, spec, values, constants, fetching,
            at_risk=at_risk, in_parts=in_parts, parting=parting, packing=packing,
        )  # fmt: skip
        return m.Fetched()

    def execute(self) -> m.Event:
        work, interruption = self.under_way, self.means.interruption
        header, meter = work.settled.header, self.run.meter
        looks, measured = [], False
        if header.measure and not header.observe:
            looks = meter.looks(work.spec.program)
            measured = meter.wants(work.spec.program) or bool(looks)
        watch = self.watch(work, measured)
        try:
            with self.overdue():
                interruption.claim = work.attempt.claim
                program, final = self.run.voice.noting(work.spec.program), self.means.outgrown
                work.run(program, watch, looks, final(self.invitation), self.run.witness.raised)
                interruption.claim = ""
        except StepFailed as failed:
            interruption.claim = ""
            assert failed.__cause__ is not None
            blame = Blame("running", failed.task, failed.function, tries=failed.tries)
            return self.raised(failed.__cause__, blame)
        self.means.holding.end_locks()
        if header.measure:
            meter.ended(work.running)
        turn_over = time.perf_counter() - self.arrived > TURN_SECONDS
        return m.Ran(self.means.holding.others_wait and turn_over)

    def overdue(self) -> AbstractContextManager[None]:
        """What is held back may have to be given before this bundle is through."""
        held = self.shelf.held.values()
        return Overdue(held, self.give) if held else nullcontext()

    def give(self, work: Work) -> None:
        """In another thread, while a bundle runs. What goes wrong here, the next call meets, too."""
        with suppress(StoreError, Unstorable), closing(self.aside.side()) as side:
            outputs = work.store(None)
            report = self.telling.report(work, outputs)
            answer = side.coordination.publish(self.means.container, report, "", outputs.commands)
            self.run.also_called(side.coordination.calls)
            self.shelf.held.pop(work.attempt.bundle, None)
            doomed = answer.released if answer.status == OK else outputs.written
            for whom in answer.invitations:
                self.means.invite(self.invitation.to(whom, time.time()))
            side.blobs.delete(doomed)
            self.deleted += answer.released

    @property
    def under_way(self) -> Work:
        assert self.work is not None, "the machine runs only what has been fetched"
        return self.work

    def watch(self, work: Work, measured: bool) -> Watch | None:
        """Who is to be told of each task, if anybody is."""
        header, witness = work.settled.header, self.run.witness
        seen = witness.watch(work.spec.program)
        watches = [seen] if seen is not None else []
        if work.spec.early and work.in_parts is not None:
            names, side = work.attempt.names(), partial(self.aside.side, in_parts=True)
            tasks = set(work.spec.early) & set(work.spec.stored)
            work.early = Early(tasks, names, work.in_parts, side)
            watches.append(work.early.task)
        if header.observe:
            work.timer = Timer(self.progress if header.progress else None)
            watches.append(work.timer.task)
        if measured:
            self.run.meter.begin(work.values)
            watches.append(self.run.meter.task)
        return together(watches)

    def progress(self, times: Times) -> None:
        self.telling.progress(self.attempt, times)

    def publish(self, instruction: m.Publish) -> m.Event:
        """Give others what this bundle has for them, and what bundles held back before have."""
        works = [self.shelf.held.get(instruction.bundle) or self.under_way]
        held = self.shelf.held  # what was overdue has been given meanwhile
        works += [held[bundle] for bundle, _ in instruction.held if bundle in held]
        now, stored = time.monotonic(), []
        room, seconds_per_byte = HELD_BYTES - self.shelf.held_bytes, self.run.seconds_per_byte
        self.unannounced = []
        for work in works:
            try:
                until = None if instruction.store else now
                stored.append(work.store(until, room, seconds_per_byte))
            except Unstorable as failed:
                return self.unstorable(work, failed.__cause__ or failed, failed.task)
            self.unannounced += stored[-1].written
            self.run.stored_early(stored[-1].early)
        answered = self.announce(works, stored, instruction.following)
        nbytes = sum([outputs.late_bytes for outputs in stored])
        self.run.has_stored(nbytes, time.monotonic() - now)
        return answered

    def announce(self, works: Sequence[Work], stored: Sequence[Outputs], following: str) -> m.Event:
        run, begun = self.run, time.perf_counter()
        first, *held = [self.telling.report(*each) for each in zip(works, stored, strict=True)]
        commands = [command for outputs in stored for command in outputs.commands]
        deleted, self.deleted = self.deleted, []
        near = beside(works)
        if deleted or near:
            first = replace(first, deleted=deleted, beside=near, after=self.after)
        try:
            answer = run.coordination.publish(
                self.means.container, first, following, commands, held
            )
        except (StoreFull, StoreValueTooLarge) as error:
            tasks = works[0].spec.stored
            return self.unstorable(works[0], error, tasks[-1] if tasks else -1)
        self.turned_to(answer, works)
        self.shelf.put(works, answer)
        self.asking.hold(answer, following, self.shelf)
        if works[0].settled.header.measure:
            run.meter.published(commands, time.perf_counter() - begun)
        return m.Answered(answer)

    def turned_to(self, answer: Answer, works: Sequence[Work] = ()) -> None:
        """Where the container is among bundles that wait for nothing it has."""
        if answer.assignment is not None:
            bundle = answer.assignment.bundle
            if not any(bundle in work.handover.near for work in works if work.handover):
                self.after = bundle

    @property
    def raising(self) -> Raising:
        return Raising(self.means, self.invitation, self.run)

    def unstorable(self, work: Work, error: BaseException, task: int) -> m.Event:
        function = work.function_of(task)
        blame = Blame("storing the result of", task, function)
        return self.raised(unstorable(work, error, function), blame)

    def unreadable(self, error: BaseException, blame: Blame) -> m.Event:
        self.raising.note_versions(error)
        return self.raised(error, blame)

    def raised(self, error: BaseException, blame: Blame) -> m.Event:
        self.means.interruption.claim = ""
        try:
            return self.raising.event(self.attempt, error, blame)
        finally:
            self.rest()  # not before: a class may take longer to pickle than a lease lasts

    def fail(self, instruction: m.Fail) -> m.Event:
        self.run.witness.failed(instruction.error)
        bundle, claim, before = instruction.bundle, instruction.claim, self.attempt.before
        fail = self.run.coordination.fail
        return m.Answered(fail(self.means.container, bundle, claim, instruction.error, before))

    def delete(self, references: Sequence[bytes]) -> None:
        """What cannot be deleted now stays noted in the store, and goes with the run."""
        if self.run.settled is not None:
            with suppress(StoreError, OSError):
                self.run.settled.blobs.delete(references)
                self.deleted += references
