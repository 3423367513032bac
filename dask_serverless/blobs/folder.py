"""Folders for blobs on this host, gone with their client."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from dask_serverless import private

PREFIX = "dask-serverless-blobs-"
MEMORY = "/dev/shm"


class Folders:
    """One folder in shared memory, where there is any, and one on disk for when that is full.

    Beside the one in memory is another for files that containers keep.
    """

    def __init__(self) -> None:
        parents = [p for p in (MEMORY, tempfile.gettempdir()) if os.access(p, os.W_OK | os.X_OK)]
        self.locks: list[int] = []
        for parent in dict.fromkeys(parents):
            private.sweep(PREFIX, Path(parent))
        self.paths = [self.make(parent) for parent in dict.fromkeys(parents)]
        self.spares = self.make(MEMORY) if MEMORY in parents else ""

    def make(self, parent: str) -> str:
        path, lock = private.make(PREFIX, parent)
        self.locks.append(lock)
        return str(path)

    def close(self) -> None:
        for path in [*self.paths, self.spares]:
            shutil.rmtree(path, ignore_errors=True)
        for lock in self.locks:
            with suppress(OSError):
                os.close(lock)
        self.locks = []
