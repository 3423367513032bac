"""Rewriting: shared files, of which a container writes its own anew when they are free."""

from __future__ import annotations

import mmap
import os
from collections.abc import Sequence

from dask_serverless.blobs.base import Place, Stored
from dask_serverless.blobs.blobs import Blobs
from dask_serverless.blobs.frames import Frames, size
from dask_serverless.blobs.shared import SharedFiles
from dask_serverless.blobs.spares import Spares

LEAST_BYTES = 64 << 10  # a smaller file costs little more than its name
ROOMY = 2  # this part of the place has to be free, or no file is kept


def rewriting(blobs: Blobs, spares: Spares) -> Blobs:
    """The same blobs; large ones go into files that are there, where one fits."""
    if not isinstance(blobs.large, SharedFiles):
        return blobs
    others = [place for place in blobs.places.values() if place is not blobs.large]
    large = Rewriting(blobs.large, spares)
    return Blobs(large, others, inline_bytes=blobs.inline_bytes)


class Rewriting(Place):
    tag = SharedFiles.tag
    knows_runs = SharedFiles.knows_runs
    own = SharedFiles.own

    def __init__(self, inner: SharedFiles, spares: Spares) -> None:
        self.inner = inner
        self.spares = spares
        self.directory = inner.directories[0]  # the others are for when it is full

    def put(self, name: str, frames: Frames) -> Stored:
        nbytes = size(frames)
        if nbytes < LEAST_BYTES:
            return self.inner.put(name, frames)
        path = os.path.join(self.directory, name)
        reference = self.tag + os.fsencode(path)
        if self.spares.write(path, frames, nbytes):
            return Stored(reference, [], nbytes)
        stored = self.inner.put(name, frames)
        if stored.reference == reference and self.roomy():
            self.spares.adopt(path, nbytes)
        else:
            self.spares.drop()
        return stored

    def roomy(self) -> bool:
        """Else others need the room more."""
        found = os.statvfs(self.directory)
        return found.f_bavail * ROOMY >= found.f_blocks

    def get(self, references: Sequence[bytes]) -> list[mmap.mmap]:
        return self.inner.get(references)

    def delete(self, references: Sequence[bytes]) -> None:
        self.inner.delete(references)

    def clear(self, run: str) -> None:
        self.inner.clear(run)
