"""What a container tells of its bundles: one that it finished, and tasks of one under way."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import msgpack

Times = Sequence[tuple[int, float, float]]  # task, start, end
Kind = tuple[int, ...]  # the functions of a task's steps: several where Dask has fused tasks


class Sample(NamedTuple):
    """One call of a task, measured."""

    input_bytes: float
    seconds: float
    output_bytes: float
    peak_bytes: float


class Taken(NamedTuple):
    """What the tasks of one kind took."""

    calls: int
    seconds: float  # of all of them
    samples: list[Sample]


class Moved(NamedTuple):
    """A transfer of what one bundle takes or gives."""

    place: str  # its tag
    up: bool
    nbytes: int
    seconds: float


class Packed(NamedTuple):
    """What it took to pickle a task's output, or to unpickle it where it was needed."""

    task: int
    up: bool
    nbytes: int
    seconds: float


class Measured(NamedTuple):
    """What a container has measured since it told before."""

    kinds: Sequence[tuple[Kind, Taken]]
    moved: Sequence[Moved]
    waited: float  # seconds from the invitation to the container's arrival; negative: not known
    round_trip: float  # seconds of the publish before this one; negative: none
    packed: Sequence[Packed] = ()  # of one bundle, some of it; nothing where that takes no time
    packing: float = 0.0  # seconds of all of it

    @staticmethod
    def told(fields: Sequence[Any]) -> Measured:
        kinds, moved, waited, round_trip, packed, packing = fields
        return Measured(
            [
                (tuple(kind), Taken(calls, seconds, [Sample(*row) for row in rows]))
                for kind, (calls, seconds, rows) in kinds
            ],
            [Moved(*each) for each in moved],
            waited,
            round_trip,
            tuple([Packed(*each) for each in packed]),
            packing,
        )


class Used(NamedTuple):
    """What a container has taken of its machine."""

    cpu_seconds: float  # since it told before
    peak_bytes: int  # of memory, since it came to the run
    memory_mb: int  # that it may use; 0: no limit is known
    charged: float = (
        0.0  # since when this visit costs, by its clock; 0: told before, or visits do not
    )


class Finished(NamedTuple):
    """A bundle is done; a named tuple, since there is one of these for each bundle."""

    bundle: int
    container: str
    started: float
    fetching: float  # seconds
    running: float
    storing: float
    calls: int  # to the store, since the container told of a bundle before
    stored_bytes: int
    kept_bytes: int  # of outputs that were not stored, as the next bundle took them from memory
    wanted_bytes: int  # of the outputs that the client asked for
    cold: bool  # whether the container was born for this stay
    outputs: Mapping[int, bytes] | None  # where those are; None: too much for an event
    times: Times  # of tasks that were not told before
    measured: Measured | None  # where the client keeps a history
    saved_seconds: float = 0.0  # of downloads that were over, or well under way, when it began
    retries: int = 0  # attempts at its tasks that raised
    spoke: Sequence[Any] | None = None  # what is known of its container's voice, if anybody listens
    used: Used | None = None  # None: it told a moment ago
    streamed_seconds: float = 0.0  # of downloads that were under way while others still stored
    part: Sequence[int] | None = None  # tasks of a part of the bundle; None: it was not divided

    def pack(self) -> bytes:
        return bytes(msgpack.packb(self))

    @staticmethod
    def unpack(data: bytes) -> Finished:
        fields: list[Any] = msgpack.unpackb(data, strict_map_key=False)
        for place, told in PARTS:
            if fields[place] is not None:
                fields[place] = told(fields[place])
        return Finished(*fields)


PARTS: list[tuple[int, Callable[[Any], Any]]] = [
    (Finished._fields.index("measured"), Measured.told),
    (Finished._fields.index("used"), Used._make),
]


class Progress(NamedTuple):
    """Tasks of a bundle under way are done."""

    bundle: int
    container: str
    times: Times

    def pack(self) -> bytes:
        return bytes(msgpack.packb(self))

    @staticmethod
    def unpack(data: bytes) -> Progress:
        return Progress(*msgpack.unpackb(data))
