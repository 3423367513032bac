"""Metered: any place, with the time and the bytes of its transfers noted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any

from dask_serverless.blobs.around import Around
from dask_serverless.blobs.base import Place, Stored
from dask_serverless.blobs.blobs import Blobs
from dask_serverless.blobs.frames import Frames

Note = Callable[[str, bool, int, float], None]  # the place's tag, up or down, bytes, seconds


def metered(blobs: Blobs, note: Note) -> Blobs:
    """The same blobs, whose transfers are noted."""
    others = [Metered(p, note) for p in blobs.places.values() if p is not blobs.large]
    return Blobs(Metered(blobs.large, note), others, inline_bytes=blobs.inline_bytes)


class Metered(Around):
    def __init__(self, inner: Place, note: Note) -> None:
        super().__init__(inner)
        self.note = note

    def put(self, name: str, frames: Frames) -> Stored:
        begun = perf_counter()
        stored = self.inner.put(name, frames)
        if not stored.commands:  # else it goes with the call that announces it
            self.note(self.tag.decode(), True, stored.nbytes, perf_counter() - begun)
        return stored

    def get(self, references: Sequence[bytes]) -> list[Any]:
        begun = perf_counter()
        found = self.inner.get(references)
        nbytes = sum(map(len, found))
        self.note(self.tag.decode(), False, nbytes, perf_counter() - begun)
        return found
