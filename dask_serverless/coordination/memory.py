"""Coordination in one process's memory: the twin of the scripts, for tests and the simulator."""

from __future__ import annotations

import struct
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgpack

from dask_serverless.blobs.base import Command
from dask_serverless.coordination.base import (
    FENCED,
    LOST,
    OK,
    OVER,
    Answer,
    Assignment,
    Condition,
    Event,
    News,
    Remains,
    Report,
    Story,
    Submission,
    What,
    Whom,
)

INVITE_MS = 2000  # as in the scripts
STORY = 8  # likewise
DONE = "d"


@dataclass
class Record:
    """Everything the store holds of one run; the names are those of the store's keys."""

    submission: Submission
    over: str = ""
    error: bytes = b""
    done: int = 0
    state: dict[int, str] = field(default_factory=dict)
    edges: set[int] = field(default_factory=set)
    ready: dict[int, set[int]] = field(default_factory=dict)  # slot (-1: flexible) → bundles
    free: set[int] = field(default_factory=set)  # slots
    called: set[tuple[str, int]] = field(default_factory=set)  # (container, slot)
    slots: dict[int, str] = field(default_factory=dict)
    working: dict[str, tuple[int, int]] = field(default_factory=dict)
    leases: dict[int, float] = field(default_factory=dict)
    invites: dict[str, float] = field(default_factory=dict)
    tries: dict[int, int] = field(default_factory=dict)
    story: dict[int, list[tuple[str, str]]] = field(default_factory=dict)
    out: dict[int, bytes] = field(default_factory=dict)
    uses: dict[int, int] = field(default_factory=dict)
    trash: set[bytes] = field(default_factory=set)
    suspects: set[str] = field(default_factory=set)
    events: list[Event] = field(default_factory=list)
    finished: dict[str, str] = field(default_factory=dict)
    specs: dict[int, bytes] = field(default_factory=dict)

    def waits(self, slot: int) -> bool:
        """Whether bundles of a slot are ready."""
        return bool(self.ready.get(slot))

    def kept(self, container: str) -> list[int]:
        """The slots of a container that have ready bundles."""
        return sorted(s for s, owner in self.slots.items() if owner == container and self.waits(s))

    def serving(self, container: str) -> int | None:
        return self.working[container][1] if container in self.working else None


class MemoryStore:
    """What the parties of a test share: runs, one lock (calls are atomic) and one clock."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.runs: dict[str, Record] = {}
        self.changed = threading.Condition()
        self.clock = clock


class MemoryCoordination:
    def __init__(self, store: MemoryStore, run: str, epoch: str) -> None:
        self.store = store
        self.run = run
        self.epoch = epoch

    def record(self) -> Record | None:
        record = self.store.runs.get(self.run)
        return record if record and record.submission.epoch == self.epoch else None

    def now(self) -> float:
        return self.store.clock() * 1000

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
            record = Record(submission, specs=specs, trash=set(submission.blobs))
            for bundle, slot in submission.ready:
                record.ready.setdefault(slot, set()).add(bundle)
            record.free.update(slot for _, slot in submission.ready if slot >= 0)
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
        header: bool = False,
        early_seconds: float = 0.0,
    ) -> Answer:
        with self.store.changed:
            if early_seconds and self.run not in self.store.runs:
                self.store.changed.wait(early_seconds)
            record = self.record()
            if record is None:
                return Answer(LOST)
            if record.over:
                return Answer(OVER, why=record.over)
            if invited:
                answered(record, slot)
            sent = record.submission.header if header else b""
            bundle = self.take(record, container, claim, slot)
            if bundle is None:
                return Answer(OK, header=sent)
            found = self.describe(record, bundle)
            return Answer(OK, found, self.invite(record, claim), sent)

    def publish(
        self, container: str, report: Report, following: str, before: Iterable[Command] = ()
    ) -> Answer:
        with self.store.changed:
            record = self.record()
            if record is None:
                return Answer(LOST)
            state = record.state.get(report.bundle)
            if state == DONE and record.finished.get(container) == report.claim:
                ask = following and not record.over
                taken = self.take(record, container, following) if ask else None
                return Answer(OK, None if taken is None else self.describe(record, taken))
            if record.over:
                return Answer(OVER, why=record.over)
            if state != report.claim:
                return Answer(FENCED)
            record.trash.difference_update(report.deleted)
            released = self.finish(record, container, report)
            chosen = self.arrive(record, container, report, following)
            record.done += 1
            record.events.append(Event(What.FINISHED, report.event))
            self.store.changed.notify_all()
            if record.done == record.submission.bundles:
                record.over = "done"
                record.working.pop(container, None)
                return Answer(OK, released=released)
            if chosen is None and following:
                chosen = self.take(record, container, following)
            if chosen is None:
                self.leave(record, container)
            asked = self.invite(record, report.claim)
            found = None if chosen is None else self.describe(record, chosen)
            return Answer(OK, found, asked, released=released)

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
            record.working.pop(container, None)
            self.end(record, error)
            return Answer(OK)

    def renew(self, container: str, bundle: int, claim: str) -> Answer:
        with self.store.changed:
            record, refusal = self.current(bundle, claim)
            if refusal or record is None:
                return refusal or Answer(LOST)
            record.leases[bundle] = self.now() + self.lease(record, bundle)
            return Answer(OK)

    def tell(self, bundle: int, claim: str, progress: bytes) -> Answer:
        with self.store.changed:
            record = self.record()
            if record is None:
                return Answer(LOST)
            if record.over:
                return Answer(OVER, why=record.over)
            if record.state.get(bundle) != claim:
                return Answer(FENCED)
            record.events.append(Event(What.PROGRESS, progress))
            self.store.changed.notify_all()
            return Answer(OK)

    def sweep(
        self, gone: Sequence[tuple[str, str]], live_seconds: int, wait_seconds: float = 0.0
    ) -> Condition:
        with self.store.changed:
            self.wait_for_end(wait_seconds)
            record = self.record()
            if record is None:
                return Condition(LOST)
            if not record.over:
                for container, why in gone:
                    self.bereave(record, container, why)
                for bundle in sorted(
                    late(record, self.now()), key=lambda b: (record.leases[b], str(b))
                ):
                    owner = next((c for c, (b, _) in record.working.items() if b == bundle), None)
                    self.put_back(record, bundle, owner, "no sign of life")
                if not record.over and not record.working and not any(record.ready.values()):
                    told = ["damaged", record.done, record.submission.bundles]
                    self.end(record, msgpack.packb(told))
            if record.over:
                return Condition(OVER, why=record.over, error=record.error)
            return Condition(OK, record.done, self.invite(record, f"sweep:{self.now()}"))

    def news(self, last: str, wait_seconds: float, rest_seconds: float = 0.0) -> News:
        with self.store.changed:
            self.wait_for_end(rest_seconds)
            seen = int(last.partition("-")[0])
            record = self.record()
            if record and len(record.events) <= seen and wait_seconds > 0:
                self.store.changed.wait(wait_seconds)
            events = record.events[seen:] if record else []
            return News(f"{seen + len(events)}-0", events)

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
            return [*record.out.values(), *record.trash] if record else []

    def outputs(self, tasks: Sequence[int]) -> list[bytes | None]:
        with self.store.changed:
            record = self.record()
            return [record.out.get(task) if record else None for task in tasks]

    def withdraw(self) -> None:
        with self.store.changed:
            self.store.changed.notify_all()

    def forget(self) -> None:
        self.close()

    def close(self) -> Remains:
        with self.store.changed:
            record = self.record()
            if record is None:
                return Remains()
            del self.store.runs[self.run]
            references = [*record.trash, *(r for r in record.out.values() if r[:1] != b"i")]
            running = {claim for claim in record.state.values() if claim != DONE}
            return Remains(references, sorted(record.suspects | running))

    # what the scripts' shared functions do

    def current(self, bundle: int, claim: str) -> tuple[Record | None, Answer | None]:
        record = self.record()
        if record is None:
            return None, Answer(LOST)
        if record.over:
            return record, Answer(OVER, why=record.over)
        expired = record.leases.get(bundle, 0) < self.now()
        if record.state.get(bundle) != claim or expired:
            return record, Answer(FENCED)
        return record, None

    def lease(self, record: Record, bundle: int) -> float:
        return float(record.submission.lease_ms * 2 ** record.tries.get(bundle, 0))

    def place(self, record: Record, slot: int) -> None:
        """Where a slot with ready bundles stands: free, called, or with the one that serves it."""
        owner = record.slots.get(slot)
        serving = record.serving(owner) if owner else None
        if owner is None or serving not in (None, slot):
            record.free.add(slot)
        elif serving is None and slot not in record.free:
            record.called.add((owner, slot))

    def make_ready(self, record: Record, bundle: int, slot: int) -> None:
        record.ready.setdefault(slot, set()).add(bundle)
        if slot >= 0:
            self.place(record, slot)

    def pop(self, record: Record, slot: int) -> int | None:
        queue = record.ready.get(slot, set())
        found = None
        while queue and found is None:
            bundle = min(queue)
            queue.remove(bundle)
            if bundle not in record.state:
                found = bundle
        if not queue:
            record.free.discard(slot)
            record.called.discard((record.slots.get(slot, ""), slot))
        return found

    def leave(self, record: Record, container: str) -> None:
        slot = record.serving(container)
        record.working.pop(container, None)
        if slot is not None and slot >= 0 and record.waits(slot):
            self.place(record, slot)

    def serve(self, record: Record, container: str, slot: int) -> None:
        before = record.serving(container)
        if before == slot:
            return
        if before is None:
            mine = {(c, s) for c, s in record.called if c == container}
            record.called -= mine
            record.free |= {s for _, s in mine}
        elif before >= 0 and record.waits(before):
            record.free.add(before)
        record.free.discard(slot)

    def give(self, record: Record, bundle: int, slot: int, container: str, claim: str) -> int:
        self.serve(record, container, slot)
        record.state[bundle] = claim
        record.working[container] = (bundle, slot)
        record.leases[bundle] = self.now() + self.lease(record, bundle)
        return bundle

    def take_slot(self, record: Record, slot: int, container: str, claim: str) -> int | None:
        bundle = self.pop(record, slot)
        if bundle is None:
            return None
        record.called.discard((record.slots.get(slot, ""), slot))
        record.slots[slot] = container
        return self.give(record, bundle, slot, container, claim)

    def take(
        self,
        record: Record,
        container: str,
        claim: str,
        invited_for: int | None = None,
    ) -> int | None:
        mine = record.working.get(container)
        if mine and record.state.get(mine[0]) == claim:
            return mine[0]
        for slot in record.kept(container):
            if (bundle := self.take_slot(record, slot, container, claim)) is not None:
                return bundle
        if (bundle := self.pop(record, -1)) is not None:
            return self.give(record, bundle, -1, container, claim)
        open_to_it = sorted(record.free)
        if invited_for is not None and may_adopt(record, invited_for):
            open_to_it.insert(0, invited_for)
        for slot in open_to_it:
            if (bundle := self.take_slot(record, slot, container, claim)) is not None:
                return bundle
        return None

    def describe(self, record: Record, bundle: int) -> Assignment:
        spec = record.specs[bundle]
        (count,) = struct.unpack_from("<I", spec, 4)
        tasks = struct.unpack_from(f"<{count}I", spec, 8)
        return Assignment(bundle, spec, [record.out.get(task) for task in tasks])

    def finish(self, record: Record, container: str, report: Report) -> list[bytes]:
        outputs: list[Any] = list(report.outputs)
        record.out.update(zip(outputs[::2], outputs[1::2], strict=True))
        record.state[report.bundle] = DONE
        record.finished[container] = report.claim
        record.leases.pop(report.bundle, None)
        record.specs.pop(report.bundle, None)
        released = []
        releases = msgpack.unpackb(report.releases)
        for task, uses in zip(releases[::2], releases[1::2], strict=True):
            record.uses[task] = record.uses.get(task, 0) + 1
            if record.uses[task] >= uses:
                reference = record.out.pop(task, b"i")
                del record.uses[task]
                if reference[:1] != b"i":
                    record.trash.add(reference)
                    released.append(reference)
        return released

    def arrive(self, record: Record, container: str, report: Report, following: str) -> int | None:
        chosen = None
        for name, slot, first, edges, *bits in msgpack.unpackb(report.children):
            record.edges.update(bits)
            if sum(bit in record.edges for bit in range(8 * first, 8 * first + edges)) == edges:
                if slot < 0 and following and chosen is None:
                    chosen = self.give(record, name, slot, container, following)
                else:
                    self.make_ready(record, name, slot)
        return chosen

    def invite(self, record: Record, claim: str) -> list[Whom]:
        waiting = len(record.ready.get(-1, ())) + len(record.called) + len(record.free)
        room = record.submission.containers - len(record.working)
        if not waiting or room <= 0:
            return []
        now = self.now()
        record.invites = {k: at for k, at in record.invites.items() if at > now - INVITE_MS}
        asked = len(record.invites)
        wanted = max(0, min(room, waiting) - asked)
        names = {f"{c} {s:08x}": Whom(s, c) for c, s in sorted(record.called)[: wanted + asked]}
        chosen = [whom for name, whom in names.items() if name not in record.invites][:wanted]
        record.invites.update({n: now for n, whom in names.items() if whom in chosen})
        anyone = range(len(chosen) + 1, wanted + 1)
        record.invites.update({f"{claim}:{i}": now for i in anyone})
        return [*chosen, *(Whom() for _ in anyone)]

    def bereave(self, record: Record, gone: str, why: str) -> None:
        for slot in [s for s, owner in record.slots.items() if gone in ("*", owner)]:
            record.called.discard((record.slots.pop(slot), slot))
            if record.waits(slot):
                self.place(record, slot)
        for container in sorted(record.working) if gone == "*" else [gone]:
            if container in record.working:
                self.put_back(record, record.working[container][0], container, why)
        if gone == "*":
            record.invites.clear()

    def put_back(self, record: Record, bundle: int, container: str | None, why: str) -> None:
        record.leases.pop(bundle, None)
        self.leave(record, container or "")
        if record.state.get(bundle, DONE) == DONE:
            return
        record.suspects.add(record.state.pop(bundle))
        record.tries[bundle] = tries = record.tries.get(bundle, 0) + 1
        story = [*record.story.get(bundle, ()), (container or "", why)][-STORY:]
        record.story[bundle] = story
        if tries >= record.submission.attempts:
            self.end(record, msgpack.packb(["lost", bundle, tries, story]))
        else:
            (slot,) = struct.unpack_from("<i", record.specs[bundle])
            self.make_ready(record, bundle, slot)

    def end(self, record: Record, error: bytes) -> None:
        record.over, record.error = "failed", error
        record.events.append(Event(What.FAILED, error))
        self.store.changed.notify_all()


def late(record: Record, now: float) -> list[int]:
    return [bundle for bundle, ends in record.leases.items() if ends <= now]


def may_adopt(record: Record, slot: int) -> bool:
    return slot in record.free or (record.slots.get(slot, ""), slot) in record.called


def answered(record: Record, slot: int | None) -> None:
    """An invitation was answered: the one for this slot, if it was for one, else the oldest."""
    name = f"{record.slots.get(slot, '')} {slot:08x}" if slot is not None else ""
    if record.invites.pop(name, None) is None and record.invites:
        record.invites.pop(min(record.invites, key=lambda k: (record.invites[k], k)))
