"""Steps: what the calls on a run in memory share, as scripts share functions (``lua/shared``)."""

from __future__ import annotations

import struct
import threading
import time
from collections.abc import Callable, Sequence

import msgpack

from dask_serverless.coordination.base import (
    FENCED,
    LOST,
    OVER,
    Answer,
    Assignment,
    Division,
    Event,
    Report,
    What,
)
from dask_serverless.coordination.moving import Move
from dask_serverless.coordination.near import (
    Row,
    inputs_of,
    lend,
    makers_of,
    release,
)
from dask_serverless.coordination.ordered import Ordered
from dask_serverless.coordination.record import SILENT, Record
from dask_serverless.coordination.sizes import size_of
from dask_serverless.coordination.splitting import Split
from dask_serverless.coordination.untold import Dead, Untold

STORY = 32  # as in the scripts
DONE = "d"


class MemoryStore:
    """What the parties of a test share: runs, one lock (calls are atomic) and one clock."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.runs: dict[str, Record] = {}
        self.changed = threading.Condition()
        self.clock = clock


class MemorySteps:
    """Each belongs to a call, which has the lock."""

    def __init__(self, store: MemoryStore, run: str, epoch: str) -> None:
        self.store = store
        self.run = run
        self.epoch = epoch

    def record(self) -> Record | None:
        record = self.store.runs.get(self.run)
        return record if record and record.submission.epoch == self.epoch else None

    def now(self) -> float:
        return self.store.clock() * 1000

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

    def happened(self, record: Record, what: What, payload: bytes) -> None:
        at = self.store.clock()
        last = record.done == record.bundles or what is What.FAILED
        record.events.append(Event(what, payload, at, at - record.submitted if last else 0.0))

    def lease(self, record: Record, bundle: int) -> float:
        return float(record.submission.lease_ms * 2 ** record.tries.get(bundle, 0))

    def give(self, record: Record, bundle: int, slot: int, container: str, claim: str) -> int:
        record.serve(container, slot)
        record.state[bundle] = claim
        record.working[container] = (bundle, slot)
        record.busy_since[container] = int(self.now())
        record.leases[bundle] = self.now() + self.lease(record, bundle)
        return bundle

    def at_work(self, record: Record, container: str) -> bool:
        """Whether it has a bundle that is not done, while it gives what it held back."""
        bundle, _ = record.working.get(container, (-1, -1))
        return bundle >= 0 and record.state.get(bundle) != DONE

    def take_slot(self, record: Record, slot: int, container: str, claim: str) -> int | None:
        bundle = record.pop(slot)
        if bundle is None:
            return None
        record.adopt(container, slot)
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
        bundle = self.take_first(record, record.kept[container], container, claim)
        if bundle is not None:
            return bundle
        if record.submission.sizes:
            return self.take_by_size(record, container, claim, invited_for)
        if (bundle := record.pop(-1)) is not None:
            return self.give(record, bundle, -1, container, claim)
        if invited_for is not None and record.may_adopt(invited_for):
            bundle = self.take_slot(record, invited_for, container, claim)
        if bundle is None:
            bundle = self.take_first(record, record.free, container, claim)
        return self.take_late(record, container, claim) if bundle is None else bundle

    def take_by_size(
        self, record: Record, container: str, claim: str, invited_for: int | None
    ) -> int | None:
        """Of its own size first, then what a smaller one could do, and last what is late."""
        mine = record.size(container)
        for size in range(mine, -1, -1) if mine >= record.least else ():
            if (bundle := record.pop(-1 - size)) is not None:
                return self.give(record, bundle, -1, container, claim)
            slots = record.free_of(size)
            if invited_for is not None and size_of(invited_for) == size:
                slots[:0] = [invited_for] if record.may_adopt(invited_for) else []
            for slot in slots:
                if (bundle := self.take_slot(record, slot, container, claim)) is not None:
                    return bundle
        for size in range(mine, -1, -1) if mine >= record.least else ():
            if (bundle := self.take_late(record, container, claim, size)) is not None:
                return bundle
        return None

    def take_first(
        self, record: Record, slots: Ordered[int], container: str, claim: str
    ) -> int | None:
        """Of the first of these slots that has a bundle; one without is none of them any more."""
        while (slot := slots.smallest()) is not None:
            if (bundle := self.take_slot(record, slot, container, claim)) is not None:
                return bundle
        return None

    def take_late(self, record: Record, container: str, claim: str, size: int = 0) -> int | None:
        """What waited too long for the container of its slot; it leaves the slot for good."""
        if (late := record.pop_late(self.now(), size)) is None:
            return None
        due, slot, bundle = late
        owner = record.slots.get(slot, "")
        busy, _ = record.working.get(owner, (-1, -1))
        record.version += 1
        move = Move(record.version, bundle, slot, due, container, owner, busy)
        self.happened(record, What.MOVED, move.pack())
        return self.give(record, bundle, -1, container, claim)

    def describe(self, record: Record, bundle: int, at_hand: bool = False) -> Assignment:
        """``at_hand``: the container has itself what others have not."""
        spec = record.specs[bundle]
        inputs = inputs_of(record, spec)
        return Assignment(bundle, spec, inputs, [] if at_hand else makers_of(record, inputs))

    def lend(
        self, record: Record, reports: Sequence[Report], child: Row, container: str, claim: str
    ) -> int:
        """Give that child to the container, with outputs that nobody else has."""
        name, slot = child[0], child[1]
        lend(record, reports, name)
        if slot >= 0:
            record.adopt(container, slot)
        return self.give(record, name, slot, container, claim)

    def hold(self, record: Record, bundle: int, container: str) -> None:
        record.lending.held[bundle] = container
        record.leases[bundle] = self.now() + self.lease(record, bundle)

    def finish(self, record: Record, report: Report) -> list[bytes]:
        record.state[report.bundle] = DONE
        record.leases.pop(report.bundle, None)
        record.done += 1
        self.happened(record, What.FINISHED, report.event)
        released: list[bytes] = []
        for bundle, releases in record.lending.settle(report.bundle, report.releases):
            record.specs.pop(bundle, None)
            released += release(record, msgpack.unpackb(releases))
        return released

    def make_ready(
        self,
        record: Record,
        ready: Sequence[Row],
        container: str,
        following: str,
        chosen: int | None,
    ) -> int | None:
        sized = bool(record.submission.sizes)
        for name, slot, *_ in ready:
            meant = record.size(container) == record.needed(slot) if sized else True
            if slot < 0 and following and chosen is None and meant:
                chosen = self.give(record, name, slot, container, following)
            else:
                record.make_ready(name, slot)
        return chosen

    def keep_pace(self, record: Record | None) -> None:
        """Whoever calls notices that a run has fallen behind."""
        if record is None or record.over or not record.submission.sizes:
            return
        elapsed = int(self.now() - record.submitted_ms)
        largest = max(record.sizes.values(), default=0)
        resize = record.pacing.look(record.version + 1, elapsed, record.done, record.least, largest)
        if resize is not None:
            record.version += 1
            self.happened(record, What.RESIZED, resize.pack())
            record.rise(resize.size)

    def divide(self, record: Record, container: str, bundle: int, division: Division) -> None:
        """Its other parts are bundles of their own from now on, ready as it was."""
        first, uses = division.first, iter(division.uses)
        for task, more in zip(uses, uses, strict=True):
            record.uses[task] = record.uses.get(task, 0) - more
        record.specs[bundle] = division.kept
        for number, part in enumerate(division.parts, first):
            record.specs[number] = part
            record.make_ready(number, struct.unpack_from("<i", part)[0])
        record.bundles += len(division.parts)
        record.version += 1
        split = Split(record.version, bundle, first, len(division.parts), container)
        self.happened(record, What.SPLIT, split.pack())

    def bereave(self, record: Record, dead: Dead) -> None:
        gone = dead.container
        if not gone:
            record.answered(None, 0)
            return
        for slot in [s for s, owner in record.slots.items() if gone in ("*", owner)]:
            record.disown(slot)
            if record.waits(slot):
                record.place(slot)
        for container in sorted(record.working) if gone == "*" else [gone]:
            self.put_back_all(record, dead._replace(container=container), int(self.now()))
        if gone == "*":
            record.invites.clear()

    def put_back_all(self, record: Record, dead: Dead, until_ms: int) -> None:
        """All that a lost container ran or held."""
        container, why = dead.container, dead.why
        if container in record.working:
            (bundle, _), since = record.working[container], record.busy_since[container]
            self.untold(record, dead, until_ms)
            record.leave(container)
            self.put_back(record, bundle, container, why, since)
        for bundle in record.lending.held_by(container):
            self.put_back(record, bundle, container, why)

    def put_back_late(self, record: Record, bundle: int) -> None:
        owner = next((c for c, (b, _) in record.working.items() if b == bundle), None)
        if owner := owner or record.lending.held.get(bundle):
            heard_of = int(record.leases[bundle] - self.lease(record, bundle))
            self.put_back_all(record, Dead(owner, record.silence(owner)), heard_of)
        if bundle in record.leases:
            self.put_back(record, bundle, None, SILENT)

    def put_back(
        self, record: Record, bundle: int, container: str | None, why: str, since: int = 0
    ) -> None:
        record.leases.pop(bundle, None)
        record.lending.held.pop(bundle, None)
        if record.state.get(bundle, DONE) == DONE:
            return
        record.suspects.add(record.state.pop(bundle))
        record.tries[bundle] = tries = record.tries.get(bundle, 0) + 1
        end = (container or "", why, int(self.now()), since)
        record.story[bundle] = story = [*record.story.get(bundle, ()), end][-STORY:]
        if tries >= record.submission.attempts:
            self.fail_all(record, msgpack.packb(["lost", bundle, tries, story]))
        else:
            (slot,) = struct.unpack_from("<i", record.specs[bundle])
            record.make_ready(bundle, slot)

    def untold(self, record: Record, dead: Dead, until_ms: int) -> None:
        """What a container took since it told of something last; noted once a stay."""
        if (stay := record.stays.pop(dead.container, None)) is None:
            return
        told = Untold(dead.container, stay[0], until_ms, *stay[1:], dead.cpu_ms, dead.peak_bytes)
        self.happened(record, What.UNTOLD, told.pack())

    def fail_all(self, record: Record, error: bytes) -> None:
        """The run ends for all that are at work."""
        self.untold_by_all(record)
        self.end(record, error)

    def untold_by_all(self, record: Record) -> None:
        for container in sorted(record.working):
            self.untold(record, Dead(container, ""), int(self.now()))

    def end(self, record: Record, error: bytes) -> None:
        record.over, record.error = "failed", error
        self.happened(record, What.FAILED, error)
        self.store.changed.notify_all()


def late(record: Record, now: float) -> list[int]:
    ended = [bundle for bundle, ends in record.leases.items() if ends <= now]
    return sorted(ended, key=lambda bundle: (record.leases[bundle], str(bundle)))
