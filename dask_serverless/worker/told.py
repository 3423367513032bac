"""What a container tells of its bundles: one that it finished, and tasks of one under way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgpack

Times = Sequence[tuple[int, float, float]]  # task, start, end


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
    wanted_bytes: int  # of the outputs that the client asked for
    cold: bool  # whether the container was born for this visit
    outputs: Mapping[int, bytes] | None  # where those are; None: too much for an event
    times: Times  # of tasks that were not told before

    def pack(self) -> bytes:
        return bytes(msgpack.packb(self))

    @staticmethod
    def unpack(data: bytes) -> Finished:
        return Finished(*msgpack.unpackb(data, strict_map_key=False))


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
