"""Untold: what a container took of a run and cannot tell, since it is gone or the run has failed."""

from __future__ import annotations

from typing import NamedTuple

import msgpack

from dask_serverless.coordination.notes import noted

TYPES = [str, int, int, int, int, int, int]  # of what is noted of it


class Dead(NamedTuple):
    """A container that is gone, as far as its backend knows."""

    container: str  # "*": all of them
    why: str
    cpu_ms: int = 0  # since it told of any for the last time
    peak_bytes: int = 0  # of memory


class Untold(NamedTuple):
    """What the store notes of such a container, beside when it did; milliseconds by its own clock."""

    container: str
    came_ms: int  # when it was given its first bundle of the stay
    until_ms: int  # when it was known to be gone, or was heard of last
    cold: int  # 1 if it was born for the run
    memory_mb: int  # 0: no limit is known
    cpu_ms: int
    peak_bytes: int

    @staticmethod
    def unpack(payload: bytes) -> Untold:
        return Untold(*noted(payload, TYPES, "container that is gone"))

    def pack(self) -> bytes:
        return bytes(msgpack.packb(tuple(self)))
