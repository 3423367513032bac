"""Record: one run in memory, with its ready bundles and who may take them.

Slots. One with ready bundles is free (anyone may take it), called (its idle container is to be
invited), or neither: its container is at work on this very slot and comes for the next bundle.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush
from math import floor

from dask_serverless.coordination.base import ANYONE, Event, Submission, Whom
from dask_serverless.coordination.lending import Lending
from dask_serverless.coordination.moving import Late, Patience
from dask_serverless.coordination.ordered import Ordered
from dask_serverless.coordination.parts import Part
from dask_serverless.coordination.resizing import Pacing
from dask_serverless.coordination.sizes import size_of, size_with

GOLDEN = 0.6180339887  # the same
SILENT = "no sign of life"  # likewise
TIGHT = " since it had {} of memory in use: most likely its platform has ended it for want of more"


class Calls:
    """Slots that wait for their idle containers, and the invitations that nobody answered yet.

    Names are (container, slot), or (claim, number) for an invitation of anyone.
    """

    def __init__(self) -> None:
        self.slots: defaultdict[str, set[int]] = defaultdict(set)  # by container
        self.called = 0
        self.quiet: Ordered[tuple[str, int]] = Ordered()  # called, and not invited
        self.invited: dict[tuple[str, int], float] = {}  # → when
        self.oldest: list[tuple[float, tuple[str, int]]] = []  # a heap; may hold answered ones

    def __contains__(self, name: tuple[str, int]) -> bool:
        return name[1] in self.slots.get(name[0], ())

    def add(self, container: str, slot: int) -> None:
        mine = self.slots[container]
        if slot not in mine:
            mine.add(slot)
            self.called += 1
            if (container, slot) not in self.invited:
                self.quiet.add((container, slot))

    def discard(self, container: str, slot: int) -> None:
        if (container, slot) in self:
            self.slots[container].remove(slot)
            self.called -= 1
            self.quiet.discard((container, slot))

    def pop(self, container: str) -> set[int]:
        """All slots that wait for it; they no longer do."""
        mine = self.slots.pop(container, set())
        self.called -= len(mine)
        for slot in mine:
            self.quiet.discard((container, slot))
        return mine

    def invite(self, wanted: int, claim: str, now: float) -> list[Whom]:
        """Containers that are called come first, each once; the rest may be anyone."""
        chosen = self.call(wanted, now)
        self.ask(range(len(chosen) + 1, wanted + 1), claim, now)
        return [*chosen, *([ANYONE] * (wanted - len(chosen)))]

    def call(self, most: int, now: float) -> list[Whom]:
        chosen = [self.quiet.pop() for _ in range(min(most, len(self.quiet)))]
        for name in chosen:
            self.invited[name] = now
            heappush(self.oldest, (now, name))
        return [Whom(slot, container) for container, slot in chosen]

    def ask(self, numbers: Iterable[int], claim: str, now: float) -> None:
        for number in numbers:
            self.invited[claim, number] = now
            heappush(self.oldest, (now, (claim, number)))

    def expire(self, until: float) -> None:
        while (first := self.first()) is not None and self.invited[first] <= until:
            self.answer(first)

    def first(self) -> tuple[str, int] | None:
        """The oldest invitation."""
        while self.oldest and self.invited.get(self.oldest[0][1]) != self.oldest[0][0]:
            heappop(self.oldest)
        return self.oldest[0][1] if self.oldest else None

    def answer(self, name: tuple[str, int]) -> bool:
        """Whether there was such an invitation."""
        if self.invited.pop(name, None) is None:
            return False
        if name in self:
            self.quiet.add(name)
        return True

    def clear(self) -> None:
        """No invitation will be answered."""
        for name in list(self.invited):
            self.answer(name)


@dataclass
class Record:
    """Everything the store holds of one run; the names are those of the store's keys."""

    submission: Submission
    submitted: float  # when, by the store's clock
    over: str = ""
    error: bytes = b""
    done: int = 0
    state: dict[int, str] = field(default_factory=dict)
    edges: bytearray = field(default_factory=bytearray)  # a bit each
    ready: defaultdict[int, Ordered[int]] = field(  # slot (-1: flexible) → bundles
        default_factory=lambda: defaultdict(Ordered)
    )
    free: Ordered[int] = field(default_factory=Ordered)  # slots
    kept: defaultdict[str, Ordered[int]] = field(  # container → its slots with ready bundles
        default_factory=lambda: defaultdict(Ordered)
    )
    slots: dict[int, str] = field(default_factory=dict)
    working: dict[str, tuple[int, int]] = field(default_factory=dict)
    busy_since: dict[str, int] = field(default_factory=dict)  # with that; milliseconds
    stays: dict[str, tuple[int, int, int]] = field(  # container → came (ms), 1 if cold, memory
        default_factory=dict
    )
    leases: dict[int, float] = field(default_factory=dict)
    invites: Calls = field(default_factory=Calls)
    tries: dict[int, int] = field(default_factory=dict)
    story: dict[int, list[tuple[str, str, int, int]]] = field(default_factory=dict)
    out: dict[int, bytes] = field(default_factory=dict)
    uses: dict[int, int] = field(default_factory=dict)
    lending: Lending = field(default_factory=Lending)
    trash: set[bytes] = field(default_factory=set)
    suspects: set[str] = field(default_factory=set)
    events: list[Event] = field(default_factory=list)
    shown: list[bytes] = field(default_factory=list)  # to whoever watches
    said: list[bytes] = field(default_factory=list)  # to the client, of what tasks print
    parts: list[Part] = field(default_factory=list)  # of outputs that are being stored
    finished: dict[str, str] = field(default_factory=dict)
    tight: dict[str, tuple[int, str]] = field(default_factory=dict)  # container → bundle, memory
    version: int = 0  # how often the plan was changed
    sizes: dict[str, int] = field(default_factory=dict)  # container → which it has
    least: int = 0  # the size that is large enough for the run, as it has turned out
    larger: defaultdict[int, Calls] = field(  # invitations of the sizes above the smallest
        default_factory=lambda: defaultdict(Calls)
    )
    specs: dict[int, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.patience = Patience(self.submission.due)
        self.pacing = Pacing(self.submission.pace)
        self.bundles = self.submission.bundles  # more, once some were divided
        self.invites.ask(range(self.submission.invited), "early", floor(self.submitted_ms))

    def waits(self, slot: int) -> bool:
        """Whether bundles of a slot are ready."""
        return slot in self.ready and len(self.ready[slot]) > 0

    def serving(self, container: str) -> int | None:
        return self.working[container][1] if container in self.working else None

    def arrivals(self, first_byte: int, edges: int) -> int:
        """How many edges of a child are here; their bits start at a byte of their own."""
        bits = self.edges[first_byte : first_byte + -(-edges // 8)]
        return int.from_bytes(bits, "little").bit_count()

    def given(self, container: str, claim: str) -> int | None:
        """The bundle that a container has under a claim."""
        bundle, _ = self.working.get(container, (-1, -1))
        return bundle if claim and self.state.get(bundle) == claim else None

    def has_edge(self, bit: int) -> bool:
        return bit >> 3 < len(self.edges) and bool(self.edges[bit >> 3] & 1 << (bit & 7))

    def add_edge(self, bit: int) -> bool:
        """Whether it was not there yet."""
        byte = bit >> 3
        if byte >= len(self.edges):
            self.edges.extend(bytes(byte + 1 - len(self.edges) + len(self.edges) // 8))
        before = self.edges[byte]
        self.edges[byte] = before | 1 << (bit & 7)
        return self.edges[byte] != before

    def place(self, slot: int) -> None:
        """Where a slot with ready bundles stands, given who has it and what that one does."""
        owner = self.slots.get(slot)
        serving = self.serving(owner) if owner else None
        if owner:
            self.kept[owner].add(slot)
        if owner is None or serving not in (None, slot):
            self.free.add(slot)
        elif serving is None and slot not in self.free:
            self.invites.add(owner, slot)

    def make_ready(self, bundle: int, slot: int) -> None:
        self.ready[slot].add(bundle)
        if slot >= 0:
            self.patience.add(slot, bundle)
            self.place(slot)

    def pop(self, slot: int) -> int | None:
        """The next bundle that nobody runs or has run (a lost one may have been finished since)."""
        queue, found = self.ready[slot], None
        while queue and found is None:
            bundle = queue.pop()
            self.patience.discard(slot, bundle)
            found = bundle if bundle not in self.state else None
        self.settle_slot(slot)
        return found

    def settle_slot(self, slot: int) -> None:
        """One without ready bundles waits for nobody."""
        if slot >= 0 and not self.ready[slot]:
            del self.ready[slot]
            self.free.discard(slot)
            if owner := self.slots.get(slot):
                self.invites.discard(owner, slot)
                self.kept[owner].discard(slot)

    def pop_late(self, now: float, size: int) -> Late | None:
        """Of the bundles that waited too long for the containers of their slots, the first."""
        while (late := self.patience.pop(now - self.submitted_ms, size)) is not None:
            _, slot, bundle = late
            self.ready[slot].discard(bundle)
            self.settle_slot(slot)
            if bundle not in self.state:
                return late
        return None

    @property
    def submitted_ms(self) -> float:
        return 1000 * self.submitted

    def pick(self, bundle: int) -> int | None:
        """A flexible bundle out of its turn, unless somebody runs it or has run it."""
        self.ready[-1].discard(bundle)
        return bundle if bundle not in self.state else None

    def pop_beside(self, container: str, beside: Sequence[int], after: int) -> int | None:
        """One of these, or at least a neighbour."""
        if self.submission.slotted or not self.fits(container, -1):
            return None
        for bundle in beside:
            if bundle in self.ready[-1] and self.pick(bundle) is not None:
                return bundle
        neighbour = self.ready[-1].after(after)
        return None if neighbour is None else self.pick(neighbour)

    def pop_anywhere(self, container: str) -> int | None:
        """The first bundle of a container: each begins somewhere else."""
        spread = self.submission.spread and not self.submission.slotted
        spread = spread and not self.submission.sizes
        if not spread or not self.ready[-1] or container in self.working:
            return None
        ready = sorted(self.ready[-1])
        return self.pick(ready[int(GOLDEN * len(self.working) % 1 * len(ready))])

    def serve(self, container: str, slot: int) -> None:
        """A container begins to serve a slot (-1: none): what else waits for it is anyone's."""
        before = self.serving(container)
        if before == slot:
            return
        if before is None:
            for other in self.invites.pop(container):
                self.free.add(other)
        elif before >= 0 and self.waits(before):
            self.free.add(before)
        self.free.discard(slot)

    def leave(self, container: str) -> None:
        """What is ready in the slot that it served waits for it to be invited."""
        slot = self.serving(container)
        self.working.pop(container, None)
        self.busy_since.pop(container, None)
        if slot is not None and slot >= 0 and self.waits(slot):
            self.place(slot)

    def adopt(self, container: str, slot: int) -> None:
        self.disown(slot)
        self.slots[slot] = container
        if self.waits(slot):
            self.kept[container].add(slot)

    def disown(self, slot: int) -> None:
        if owner := self.slots.pop(slot, None):
            self.invites.discard(owner, slot)
            self.kept[owner].discard(slot)

    def may_adopt(self, slot: int) -> bool:
        """Whether a slot is anyone's, or waits for a container that did not come."""
        return slot in self.free or (self.slots.get(slot, ""), slot) in self.invites

    def may_take(self, container: str, slot: int) -> bool:
        """Whether a slot is the container's, or may become it at once."""
        if not self.fits(container, slot):
            return False
        return slot < 0 or self.slots.get(slot, container) == container or slot in self.free

    @property
    def room(self) -> int:
        """How many more containers could work on it; what waits already has the next ones."""
        flexible = sum(len(queue) for slot, queue in self.ready.items() if slot < 0)
        waiting = flexible + len(self.free) + self.invites.called
        return self.submission.containers - len(self.working) - waiting

    def invite(self, claim: str, now: float) -> list[Whom]:
        """Whom to invoke for ready bundles that nobody runs, each once at a time."""
        if self.submission.sizes:
            return self.invite_by_size(claim, now)
        flexible = len(self.ready[-1]) if -1 in self.ready else 0
        late = self.patience.count(now - self.submitted_ms, 0)
        waiting = flexible + self.invites.called + len(self.free) + late
        room = self.submission.containers - len(self.working)
        if not waiting or room <= 0:
            return []
        self.invites.expire(now - self.submission.answer_ms)
        wanted = min(room, waiting) - len(self.invites.invited)
        return self.invites.invite(wanted, claim, now) if wanted > 0 else []

    def answered(self, slot: int | None, size: int) -> None:
        """An invitation was: the one for this slot, if it was for one, else the oldest of its size."""
        name = None if slot is None else (self.slots.get(slot, ""), slot)
        if name is None or not self.invites.answer(name):
            invites = self.invites_of(size)
            if (first := invites.first()) is not None:
                invites.answer(first)

    # where there are several sizes of containers

    def came(self, container: str, memory_mb: int) -> None:
        if size := size_with(memory_mb, self.submission.sizes):
            self.sizes[container] = size

    def size(self, container: str) -> int:
        return self.sizes.get(container, 0)

    def needed(self, slot: int) -> int:
        return max(self.least, size_of(slot)) if self.submission.sizes else 0

    def fits(self, container: str, slot: int) -> bool:
        return self.size(container) >= self.needed(slot)

    def invites_of(self, size: int) -> Calls:
        return self.larger[size] if size else self.invites

    def free_of(self, size: int) -> list[int]:
        return sorted(slot for slot in self.free if size_of(slot) == size)

    def invite_by_size(self, claim: str, now: float) -> list[Whom]:
        """The largest first; whoever is called has that size already."""
        sizes = self.submission.sizes
        room, waiting = self.submission.containers - len(self.working), self.unasked(now)
        if room <= 0:
            return []
        room -= sum(len(self.invites_of(size).invited) for size in range(len(sizes)))
        called = self.invites.call(max(0, room), now)
        waiting[self.least] += self.invites.called - len(called)
        told = [replace(each, memory_mb=sizes[self.needed(each.slot or 0)]) for each in called]
        for size in range(len(sizes) - 1, self.least - 1, -1):
            more = max(0, min(waiting[size], room - len(told)))
            self.invites_of(size).ask(range(len(told) + 1, len(told) + more + 1), claim, now)
            told += [Whom(memory_mb=sizes[size])] * more
        return told

    def unasked(self, now: float) -> list[int]:
        """How many bundles of each size wait for a container that nobody was asked for."""
        waiting = [0] * len(self.submission.sizes)
        for size in range(len(waiting)):
            invites = self.invites_of(size)
            invites.expire(now - self.submission.answer_ms)
            flexible = len(self.ready[-1 - size]) if -1 - size in self.ready else 0
            ready = flexible + len(self.free_of(size))
            late = self.patience.count(now - self.submitted_ms, size)
            waiting[max(self.least, size)] += ready + late - len(invites.invited)
        return waiting

    def silence(self, container: str) -> str:
        """Why nothing is heard of a container; its size may turn out to be too small by that."""
        bundle, memory = self.tight.get(container, (-1, ""))
        if not memory or self.working.get(container, (-1, -1))[0] != bundle:
            return SILENT
        self.outgrow(container)
        return f"{SILENT}{TIGHT.format(memory)}"

    def outgrow(self, container: str) -> None:
        """A container's size is too small for the run, which goes on with the next one, if any."""
        larger = self.size(container) + 1
        if larger < len(self.submission.sizes):
            self.pacing.awaited = None  # with less it cannot go on
            if self.least < larger:
                self.rise(larger)

    def rise(self, larger: int) -> None:
        """No container below that size is to have anything of the run again."""
        self.least = larger
        for size in range(larger):
            self.invites_of(size).clear()
        for slot, owner in list(self.slots.items()):
            if not self.fits(owner, slot):
                self.disown(slot)
                if self.waits(slot):
                    self.place(slot)
