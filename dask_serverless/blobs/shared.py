"""Blobs as files that every container on this host maps: no copy on the reader's side."""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeVar

from dask_serverless.blobs.base import Place, Stored
from dask_serverless.blobs.frames import Frames, size
from dask_serverless.errors import BlobLost, BlobsFull, BlobTooLarge

Made = TypeVar("Made")

WITHOUT_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EINVAL}  # file systems say so
NO_PLACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}  # in this folder: perhaps in the next one
MOST_PARTS = 512  # of one writev; the kernel's own limit is 1,024


class SharedFiles(Place):
    """Files under directories in order of preference: shared memory first, then a disk.

    Readers map a private copy: pages are shared until a task writes into its input. They lock what
    they map, for as long as they map it: whoever wrote a file may write it anew when it is deleted
    and nobody has it any more (``spares.py``).
    """

    tag = b"f"
    knows_runs = True
    own = True

    def __init__(self, directories: Sequence[str]) -> None:
        self.directories = list(directories)

    def put(self, name: str, frames: Frames) -> Stored:
        too_large = False
        for directory in self.directories:
            path = os.path.join(directory, name)
            try:
                write(path, frames)
            except OSError as error:
                with suppress(FileNotFoundError):
                    os.unlink(path)
                if error.errno not in NO_PLACE:
                    raise
                too_large = error.errno == errno.EFBIG
            else:
                return Stored(self.tag + os.fsencode(path), [], size(frames))
        if too_large:
            raise BlobTooLarge(self.directories, size(frames))
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


def in_folder(path: str, make: Callable[[], Made]) -> Made:
    """Make what is to have this path; its folder, too, if that is not there."""
    try:
        return make()
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        return make()


def write(path: str, frames: Frames) -> None:
    file = in_folder(path, lambda: os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
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
        lock(file, path)
        if not os.fstat(file).st_size:
            raise BlobLost(path, "is empty")
        return mmap.mmap(file, 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE)
    finally:
        os.close(file)


def lock(file: int, path: str) -> None:
    """Nobody writes it anew while it is mapped: the mapping has the lock from here on.

    Between opening and locking the blob may have been deleted, and its file have become another's.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(file), os.stat(path)):
            return
    except (BlockingIOError, FileNotFoundError):
        pass
    except OSError as error:
        if error.errno in WITHOUT_LOCKS:  # then nobody gets the one to write, either
            return
        raise
    raise BlobLost(path)
