"""Blobs in a dict: the twin for tests and the simulator."""

from __future__ import annotations

from collections.abc import Sequence

from dask_serverless.blobs.base import Place, Stored
from dask_serverless.blobs.frames import Frames
from dask_serverless.errors import BlobLost


class Memory(Place):
    tag = b"m"

    def __init__(self) -> None:
        self.blobs: dict[bytes, bytes] = {}

    def put(self, name: str, frames: Frames) -> Stored:
        reference = self.tag + name.encode()
        self.blobs[reference] = data = b"".join(frames)
        return Stored(reference, [], len(data))

    def get(self, references: Sequence[bytes]) -> list[bytearray]:
        for reference in references:
            if reference not in self.blobs:
                raise BlobLost(reference[1:].decode())
        return [bytearray(self.blobs[reference]) for reference in references]

    def delete(self, references: Sequence[bytes]) -> None:
        for reference in references:
            self.blobs.pop(reference, None)
