"""Splitting: a bundle under way whose other parts went to others, and what is told of that."""

from __future__ import annotations

from typing import NamedTuple

import msgpack

from dask_serverless.coordination.notes import noted

TYPES = [int, int, int, int, str]  # of what is noted of a division


class Split(NamedTuple):
    """A bundle was divided: what the store notes of that, beside when it was."""

    version: int  # of the plan, from then on; 0 is the plan as it was made
    bundle: int  # may be a part itself
    first: int  # the number of the first part that others have
    parts: int
    container: str  # that kept the rest

    @staticmethod
    def unpack(payload: bytes) -> Split:
        return Split(*noted(payload, TYPES, "bundle that was divided"))

    def pack(self) -> bytes:
        return bytes(msgpack.packb(tuple(self)))
