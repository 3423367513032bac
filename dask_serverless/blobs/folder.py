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
    """One folder in shared memory, where there is any, and one on disk for when that is full."""

    def __init__(self) -> None:
        parents = [p for p in (MEMORY, tempfile.gettempdir()) if os.access(p, os.W_OK | os.X_OK)]
        self.paths: list[str] = []
        self.locks: list[int] = []
        for parent in dict.fromkeys(parents):
            private.sweep(PREFIX, Path(parent))
            path, lock = private.make(PREFIX, parent)
            self.paths.append(str(path))
            self.locks.append(lock)

    def close(self) -> None:
        for path in self.paths:
            shutil.rmtree(path, ignore_errors=True)
        for lock in self.locks:
            with suppress(OSError):
                os.close(lock)
        self.locks = []
