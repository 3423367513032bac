"""Blobs as files that every container on this host maps: no copy on the reader's side."""

from __future__ import annotations

import errno
import mmap
import os
import shutil
from collections.abc import Sequence
from contextlib import suppress

from dask_serverless.blobs.base import Place, Stored
from dask_serverless.blobs.frames import Frames, size
from dask_serverless.errors import BlobLost, BlobsFull

MOST_PARTS = 512  # of one writev; the kernel's own limit is 1,024


class SharedFiles(Place):
    """Files under directories in order of preference: shared memory first, then a disk.

    Readers map a private copy: pages are shared until a task writes into its input.
    """

    tag = b"f"
    knows_runs = True
    own = True

    def __init__(self, directories: Sequence[str]) -> None:
        self.directories = list(directories)

    def put(self, name: str, frames: Frames) -> Stored:
        for directory in self.directories:
            path = os.path.join(directory, name)
            try:
                write(path, frames)
            except OSError as error:
                with suppress(FileNotFoundError):
                    os.unlink(path)
                if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                    raise
            else:
                return Stored(self.tag + os.fsencode(path), [], size(frames))
        raise BlobsFull(self.directories)

    def get(self, references: Sequence[bytes]) -> list[mmap.mmap]:
        return [read(self.path(reference)) for reference in references]

    def delete(self, references: Sequence[bytes]) -> None:
        for reference in references:
            with suppress(FileNotFoundError):
                os.unlink(self.path(reference))

    def path(self, reference: bytes) -> str:
        """Where a blob is. References come from the store, and whoever may write there must not
        have us read or remove other files.
        """
        path = os.fsdecode(reference[1:])
        directory, run, name = ["", "", *path.rsplit("/", 2)][-3:]
        if directory not in self.directories or {run, name} & {"", ".", ".."}:
            raise BlobLost(path)
        return path

    def clear(self, run: str) -> None:
        for directory in self.directories:
            folder = os.path.join(directory, run)
            if os.path.isdir(folder):
                shutil.rmtree(folder, ignore_errors=True)


def write(path: str, frames: Frames) -> None:
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        parts = [view for frame in frames if (view := memoryview(frame).cast("B"))]
        while parts:
            written = os.writev(file, parts[:MOST_PARTS])
            while parts and written >= parts[0].nbytes:
                written -= parts.pop(0).nbytes
            if written:
                parts[0] = parts[0][written:]
    finally:
        os.close(file)


def read(path: str) -> mmap.mmap:
    try:
        file = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        raise BlobLost(path) from None
    try:
        if not os.fstat(file).st_size:
            raise BlobLost(path, "is empty")
        return mmap.mmap(file, 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE)
    finally:
        os.close(file)
