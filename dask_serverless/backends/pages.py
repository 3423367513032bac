"""Pages: what containers of this host hold, where the nursery and the keeper can read it.

A page is memory that a container shares with them. To write it takes no system call and no lock, so
a bundle of microseconds can afford it; to read it takes nothing of the container, whose interpreter
may be locked for minutes by one call into C.
"""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from dataclasses import dataclass, field
from struct import Struct
from typing import Any

import msgpack

from dask_serverless.blobs.lock import Lock

PAGE_BYTES = 64 << 10  # only what is written takes memory

# Of each section of the container's: a number that is odd while the section is written, so that a
# reader can tell a whole value from a torn one; then the value. Numbers are read and written as
# items of a cast memoryview, eight bytes at once: `pack_into` clears what it writes to first, and
# whoever looked just then twice took a torn value for a whole one.
NUMBER_BYTES = 8
CLAIM_AT, CLAIM = 0, Struct("<q160p")  # claims so far, a number as well; then bundle, claim
CLAIM_VALUE_AT = CLAIM_AT + 2 * NUMBER_BYTES
PLACE_AT, PLACE_BYTES = 512, 4096  # length, then which run this is about
LOCKS_AT, LOCKS_BYTES = PLACE_AT + PLACE_BYTES, PAGE_BYTES - PLACE_AT - PLACE_BYTES
LOCKS_VALUE_AT = LOCKS_AT + NUMBER_BYTES
CLAIM_NUMBER, CLAIMS, LOCKS_NUMBER = 0, 1, LOCKS_AT // NUMBER_BYTES  # items of the numbers
LENGTH = Struct("<I")

# Of what is written past a container's voice (items of the numbers, each whole at any moment): how
# often it was listened to (0: nobody does), and whose turn it is.
VOICE, TASK = 58, 59

# Likewise: microseconds of processor time that it has told of, or that are another run's.
TOLD = 24

# What the nursery writes; of what it reads there: lines, by voice, and how far it is.
OVERHEARD, UNENDED, READING, DIVERTED = 60, 61, 62, 63
VOICE_UNIT = 1 << 32
ORDER_AT, ORDER = 256, Struct("<?160p")  # whether others wait; which claim is to be stopped
OWNER_AT, OWNER = 448, Struct("<q?")  # process, whether it has been sent to work


@dataclass(frozen=True)
class Place:
    """Which run a container works on."""

    store: str = field(repr=False)  # URL, with its password
    run: str
    epoch: str
    container: str
    lease_seconds: float


@dataclass(frozen=True)
class Held:
    """What a container holds just now."""

    bundle: int = -1
    claims: int = 0  # how many it was given in its life
    claim: str = ""
    place: Place | None = None


class Page:
    """One container's; it writes the first half of the methods, the nursery the second."""

    def __init__(self, memory: memoryview) -> None:
        self.memory = memory
        self.numbers = memory.cast("Q")
        self.claims = 0
        self.number = 0  # of writes to claim and place
        self.place: Place | None = None

    def hold(self, place: Place, bundle: int, claim: str) -> None:
        self.claims += 1
        self.number += 1
        self.numbers[CLAIM_NUMBER] = self.number
        if place is not self.place:
            self.place = place
            self.write(PLACE_AT, PLACE_BYTES, [*vars(place).values()])
        self.numbers[CLAIMS] = self.claims
        CLAIM.pack_into(self.memory, CLAIM_VALUE_AT, bundle, claim.encode())
        self.number += 1
        self.numbers[CLAIM_NUMBER] = self.number

    def drop(self) -> None:
        self.number += 1
        self.numbers[CLAIM_NUMBER] = self.number
        CLAIM.pack_into(self.memory, CLAIM_VALUE_AT, -1, b"")
        self.number += 1
        self.numbers[CLAIM_NUMBER] = self.number

    def note_locks(self, locks: Sequence[Lock]) -> None:
        number = self.numbers[LOCKS_NUMBER]
        number += 1 + number % 2
        self.numbers[LOCKS_NUMBER] = number
        try:
            packed = [[*vars(lock).values()] for lock in locks]
            self.write(LOCKS_VALUE_AT, LOCKS_BYTES - NUMBER_BYTES, packed)
        finally:
            self.numbers[LOCKS_NUMBER] = number + 1

    def listen(self, voice: int) -> None:
        self.numbers[VOICE] = voice

    def tell(self, cpu_seconds: float) -> None:
        self.numbers[TOLD] = int(1e6 * cpu_seconds)

    def turn(self, task: int) -> None:
        self.numbers[TASK] = task + 1

    def overheard(self, voice: int) -> int:
        """How many lines of this voice the nursery has passed on."""
        found, lines = divmod(self.numbers[OVERHEARD], VOICE_UNIT)
        return lines if found == voice else 0

    @property
    def unended(self) -> bool:
        """Whether some of them have not come to their end."""
        return self.numbers[UNENDED] != 0

    @property
    def reading(self) -> bool:
        return self.numbers[READING] != 0

    @property
    def diverted(self) -> bool | None:
        """Whether the nursery could; None: it has not answered."""
        return (None, True, False)[self.numbers[DIVERTED]]

    def write(self, at: int, room: int, value: object) -> None:
        packed = msgpack.packb(value, unicode_errors="surrogateescape")  # names of folders
        if len(packed) + LENGTH.size > room:
            raise RuntimeError(
                "A container holds more locks at once than can be kept for it: take fewer."
            )
        LENGTH.pack_into(self.memory, at, len(packed))
        self.memory[at + LENGTH.size : at + LENGTH.size + len(packed)] = packed

    @property
    def others_wait(self) -> bool:
        return self.memory[ORDER_AT] != 0

    @property
    def target(self) -> str:
        """The claim whose work is to be stopped; "" for whatever runs."""
        return str(ORDER.unpack_from(self.memory, ORDER_AT)[1].decode())

    # by the nursery, and what it and the keeper read

    def clear(self) -> None:
        """For the next container."""
        self.memory[:PLACE_AT] = bytes(PLACE_AT)
        self.memory[LOCKS_AT : LOCKS_AT + 16] = bytes(16)

    def order(self, others_wait: bool, target: str | None = None) -> None:
        if target is None:
            self.memory[ORDER_AT] = others_wait
        else:
            ORDER.pack_into(self.memory, ORDER_AT, others_wait, target.encode())

    def own(self, pid: int, working: bool) -> None:
        OWNER.pack_into(self.memory, OWNER_AT, pid, working)

    @property
    def owner(self) -> tuple[int, bool]:
        pid, working = OWNER.unpack_from(self.memory, OWNER_AT)
        return pid, working

    @property
    def cpu_seconds_told(self) -> float:
        return self.numbers[TOLD] / 1e6

    @property
    def voice(self) -> int:
        return self.numbers[VOICE]

    @property
    def task(self) -> int:
        return self.numbers[TASK] - 1

    def divert(self, able: bool) -> None:
        self.numbers[DIVERTED] = 1 if able else 2

    def read(self, under_way: bool) -> None:
        self.numbers[READING] = under_way

    def overhear(self, voice: int, lines: int, unended: bool) -> None:
        self.numbers[UNENDED] = unended
        self.numbers[OVERHEARD] = voice * VOICE_UNIT + lines

    @property
    def claims_so_far(self) -> int:
        return self.numbers[CLAIMS]

    def held(self) -> Held:
        """What stands there; nothing, where the container died in the middle of writing."""
        for _ in range(100):
            before = self.numbers[CLAIM_NUMBER]
            claims = self.numbers[CLAIMS]
            bundle, claim = CLAIM.unpack_from(self.memory, CLAIM_VALUE_AT)
            place = bytes(self.memory[PLACE_AT : PLACE_AT + PLACE_BYTES])
            if before == self.numbers[CLAIM_NUMBER] and not before % 2:
                if not claims:
                    return Held()
                return Held(bundle, claims, claim.decode(), Place(*unpacked(place)))
        return Held()

    def locks(self) -> list[Lock]:
        """The same of its locks."""
        for _ in range(100):
            before = self.numbers[LOCKS_NUMBER]
            (length,) = LENGTH.unpack_from(self.memory, LOCKS_VALUE_AT)
            end = LOCKS_VALUE_AT + LENGTH.size + length
            packed = bytes(self.memory[LOCKS_VALUE_AT:end])
            if before == self.numbers[LOCKS_NUMBER] and not before % 2:
                return [Lock(*fields) for fields in unpacked(packed)] if length else []
        return []


def unpacked(section: bytes) -> list[Any]:
    (length,) = LENGTH.unpack_from(section)
    packed = section[LENGTH.size : LENGTH.size + length]
    return list(msgpack.unpackb(packed, unicode_errors="surrogateescape"))


def new_pages(count: int) -> list[Page]:
    """Made before any fork, so that all who come from it share them."""
    return cut(mmap.mmap(-1, count * PAGE_BYTES))


def pages_in(file: int) -> list[Page]:
    """Of a file, which processes share that do not come from one fork."""
    return cut(mmap.mmap(file, 0))


def cut(memory: mmap.mmap) -> list[Page]:
    view = memoryview(memory)
    return [Page(view[at : at + PAGE_BYTES]) for at in range(0, len(view), PAGE_BYTES)]
