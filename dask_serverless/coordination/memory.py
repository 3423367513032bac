"""Coordination in one process's memory: the twin of the scripts, for tests and the simulator."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgpack

from dask_serverless.blobs.base import Command
from dask_serverless.coordination.base import (
    FENCED,
    LOCAL,
    LOST,
    OK,
    OVER,
    Answer,
    Condition,
    Division,
    News,
    Remains,
    Report,
    Room,
    Story,
    Submission,
    What,
    maker,
)
from dask_serverless.coordination.near import (
    announce,
    missing,
    near_of,
    nearest,
    still,
)
from dask_serverless.coordination.parts import Told, told_by
from dask_serverless.coordination.record import Record
from dask_serverless.coordination.sizes import size_with
from dask_serverless.coordination.steps import DONE, MemorySteps, MemoryStore, late
from dask_serverless.coordination.untold import Dead

__all__ = ["MemoryCoordination", "MemoryStore"]


class MemoryCoordination(MemorySteps):
    @property
    def calls(self) -> int:
        return 0

    def submit(
        self,
        submission: Submission,
        before: Iterable[Command] = (),
        wait_seconds: float = 0.0,
        tasks: Sequence[int] = (),
    ) -> Story | None:
        with self.store.changed:
            specs = dict(enumerate(submission.specs))
            record = Record(
                submission, self.store.clock(), specs=specs, trash=set(submission.blobs)
            )
            for bundle, slot in submission.ready:
                record.make_ready(bundle, slot)
            if self.record() is None:
                self.store.runs[self.run] = record
            self.store.changed.notify_all()
            self.wait_for_end(wait_seconds)
            stored = self.record()
        return self.story(tasks) if wait_seconds and stored and stored.over else None

    def wait_for_end(self, seconds: float) -> None:
        self.store.changed.wait_for(lambda: not (r := self.record()) or r.over, seconds)

    def claim(
        self,
        container: str,
        claim: str,
        *,
        slot: int | None = None,
        invited: bool = False,
        cold: bool = False,
        header: bool = False,
        early_seconds: float = 0.0,
        memory_mb: int = 0,
        wanted_mb: int = 0,
    ) -> Answer:
        with self.store.changed:
            if early_seconds and self.run not in self.store.runs:
                self.store.changed.wait(early_seconds)
            record = self.record()
            if record is None:
                return Answer(LOST)
            if record.over:
                return Answer(OVER, why=record.over)
            self.keep_pace(record)
            if memory_mb:
                record.came(container, memory_mb)
            if invited:
                record.answered(slot, size_with(wanted_mb, record.submission.sizes))
            for held in record.lending.held_by(container):  # whoever asks anew has nothing in hand
                del record.lending.held[held]
                record.leases[held] = 0.0
            sent = record.submission.header if header else b""
            if (bundle := record.pop_anywhere(container)) is not None:
                self.give(record, bundle, -1, container, claim)
            else:
                bundle = self.take(record, container, claim, slot)
            if bundle is None and record.submission.sizes:
                return Answer(OK, None, record.invite(claim, self.now()), sent)
            if bundle is None:
                return Answer(OK, header=sent)
            if invited:
                record.stays[container] = (int(self.now()), int(cold), memory_mb)
            found = self.describe(record, bundle)
            return Answer(OK, found, record.invite(claim, self.now()), sent)

    def publish(
        self,
        container: str,
        report: Report,
        following: str,
        before: Iterable[Command] = (),
        held: Sequence[Report] = (),
    ) -> Answer:
        with self.store.changed:
            record = self.record()
            if record is None:
                return Answer(LOST)
            self.write(list(before))
            self.keep_pace(record)
            state = record.state.get(report.bundle)
            again = state == DONE and record.finished.get(container) == report.claim
            if not again and state == report.claim and (report.near or held):
                again = record.given(container, following) is not None
            if again:
                return self.repeated(record, container, following, [report, *held])
            if record.over:
                return Answer(OVER, why=record.over)
            if state != report.claim:
                return Answer(FENCED)
            record.trash.difference_update(report.deleted)
            if report.shown:
                record.shown.append(report.shown)
            return self.published(record, container, [report, *still(record, held)], following)

    def published(
        self, record: Record, container: str, reports: Sequence[Report], following: str
    ) -> Answer:
        ready = [child for report in reports for child in announce(record, report)]
        near = nearest(record, reports, container) if following else None
        chosen = None if near is None else self.lend(record, reports, near, container, following)
        released, held, patient = [], [], True
        for report in reports:
            if any(missing(record, child) for child in near_of(report)):
                self.hold(record, report.bundle, container)
                held.append(report.bundle)
                patient = patient and report.patient
            else:
                if report is reports[0]:
                    record.finished[container] = report.claim
                released += self.finish(record, report)
        goes_on = following if patient else ""
        chosen = self.make_ready(record, ready, container, goes_on, chosen)
        self.store.changed.notify_all()
        if record.done == record.bundles:
            record.over = "done"
            record.working.pop(container, None)
            return Answer(OK, released=released)
        if chosen is None and goes_on and held:
            chosen = record.pop_beside(container, reports[0].beside, reports[0].after)
            if chosen is not None:
                self.give(record, chosen, -1, container, following)
        if chosen is None and goes_on:
            chosen = self.take(record, container, following)
        if chosen is None and held:
            record.working[container] = (held[0], record.working.get(container, (-1, -1))[1])
            record.busy_since.setdefault(container, int(self.now()))
        elif chosen is None and not self.at_work(record, container):
            record.leave(container)
        asked = record.invite(reports[0].claim, self.now())
        found = None if chosen is None else self.describe(record, chosen, at_hand=near is not None)
        return Answer(OK, found, asked, released=released, held=held)

    def repeated(
        self, record: Record, container: str, following: str, reports: Sequence[Report]
    ) -> Answer:
        """The answer was lost: what the call gave to the container, or what there is now."""
        held = [report.bundle for report in still(record, reports)]
        taken = None if record.over else record.given(container, following)
        if taken is None and following and not record.over and not held:
            taken = self.take(record, container, following)
        return Answer(OK, None if taken is None else self.describe(record, taken), held=held)

    def fail(
        self,
        container: str,
        bundle: int,
        claim: str,
        error: bytes,
        before: Iterable[Command] = (),
    ) -> Answer:
        with self.store.changed:
            record, refusal = self.current(bundle, claim)
            if refusal or record is None:
                return refusal or Answer(LOST)
            self.fail_all(record, error)
            record.working.pop(container, None)
            return Answer(OK)

    def renew(self, container: str, bundle: int, claim: str, tight: str = "") -> Answer:
        with self.store.changed:
            record, refusal = self.current(bundle, claim)
            if refusal or record is None:
                return refusal or Answer(LOST)
            for mine in (bundle, *record.lending.held_by(container)):
                record.leases[mine] = self.now() + self.lease(record, mine)
            if tight:
                record.tight[container] = (bundle, tight)
            return Answer(OK)

    def split(
        self, container: str, bundle: int, claim: str, division: Division | None = None
    ) -> Room:
        with self.store.changed:
            self.keep_pace(self.record())
            record, refusal = self.current(bundle, claim)
            if refusal or record is None:
                return Room(refusal.status if refusal else LOST)
            if division is not None and division.kept == record.specs[bundle]:  # said again
                return Room(OK, record.room, record.bundles, divided=True)
            if bundle in record.lending.borrowed:
                return Room(OK, 0, record.bundles)
            if division is None or division.first != record.bundles:
                return Room(OK, record.room, record.bundles)
            self.divide(record, container, bundle, division)
            asked = record.invite(f"{claim}/{division.first}", self.now())
            self.store.changed.notify_all()
            return Room(OK, record.room, record.bundles, divided=True, invitations=asked)

    def tell(self, bundle: int, claim: str, progress: bytes) -> Answer:
        with self.store.changed:
            record = self.record()
            if record is None:
                return Answer(LOST)
            if record.over:
                return Answer(OVER, why=record.over)
            if record.state.get(bundle) != claim:
                return Answer(FENCED)
            self.happened(record, What.PROGRESS, progress)
            self.store.changed.notify_all()
            return Answer(OK)

    def show(self, batch: bytes) -> None:
        with self.store.changed:
            if (record := self.record()) is not None:
                record.shown.append(batch)

    def say(self, batch: bytes) -> None:
        with self.store.changed:
            if (record := self.record()) is not None:
                record.said.append(batch)
                self.store.changed.notify_all()

    def sweep(
        self,
        gone: Sequence[Dead],
        live_seconds: int,
        wait_seconds: float = 0.0,
        outgrown: Sequence[str] = (),
    ) -> Condition:
        with self.store.changed:
            self.wait_for_end(wait_seconds)
            record = self.record()
            if record is None:
                return Condition(LOST)
            self.keep_pace(record)
            if not record.over:
                for container in outgrown:
                    record.outgrow(container)
                for dead in gone:
                    self.bereave(record, dead)
                for bundle in late(record, self.now()):
                    self.put_back_late(record, bundle)
                if not record.over and not record.working and not any(record.ready.values()):
                    told = ["damaged", record.done, record.bundles]
                    self.end(record, msgpack.packb(told))
            if record.over:
                return Condition(OVER, why=record.over, error=record.error)
            now, working = self.now(), len(record.working)
            asked = record.invite(f"sweep:{now}", now)
            return Condition(OK, record.done, asked, working=working)

    def news(
        self, last: str, wait_seconds: float, rest_seconds: float = 0.0, last_said: str = ""
    ) -> News:
        with self.store.changed:
            self.wait_for_end(rest_seconds)
            seen, heard = int(last.partition("-")[0]), int(last_said.partition("-")[0] or 0)
            record = self.record()
            if record is None:
                return News(last, last_said=last_said)
            if not (record.events[seen:] or (last_said and record.said[heard:])) and wait_seconds:
                self.store.changed.wait(wait_seconds)
            events = record.events[seen:]
            said = record.said[heard:] if last_said else []
            return News(
                f"{seen + len(events)}-0", events,
                f"{heard + len(said)}-0" if last_said else "", said,
            )  # fmt: skip

    def story(self, tasks: Sequence[int]) -> Story:
        return Story(self.news("0-0", 0).events, self.outputs(tasks))

    def probe(self) -> None:
        pass

    def header(self) -> bytes:
        with self.store.changed:
            record = self.record()
            return record.submission.header if record else b""

    def references(self) -> list[bytes]:
        with self.store.changed:
            record = self.record()
            stored = [r for r in record.out.values() if maker(r) is None] if record else []
            return [*stored, *record.trash] if record else []

    def outputs(self, tasks: Sequence[int]) -> list[bytes | None]:
        with self.store.changed:
            record = self.record()
            return [record.out.get(task) if record else None for task in tasks]

    def parts(self, last: str, wait_seconds: float) -> Told:
        with self.store.changed:
            seen, record = int(last.partition("-")[0]), self.record()
            if record is not None and not record.parts[seen:]:
                self.store.changed.wait_for(lambda: record.parts[seen:], wait_seconds)
            found = record.parts[seen:] if record is not None else []
            return Told(f"{seen + len(found)}-0", found)

    def write(self, before: Sequence[Command]) -> None:
        with self.store.changed:
            if (record := self.record()) is not None:
                record.parts += told_by(self.run, before)
                self.store.changed.notify_all()

    def withdraw(self) -> None:
        with self.store.changed:
            self.store.changed.notify_all()

    def interrupt(self) -> None:
        with self.store.changed:
            if (record := self.record()) is not None and not record.over:
                self.untold_by_all(record)

    def forget(self) -> None:
        self.close()

    def close(self) -> Remains:
        with self.store.changed:
            record = self.record()
            if record is None:
                return Remains()
            del self.store.runs[self.run]
            references = [
                *record.trash,
                *(r for r in record.out.values() if r[:1] not in (b"i", LOCAL)),
            ]
            running = {claim for claim in record.state.values() if claim != DONE}
            return Remains(references, sorted(record.suspects | running))
