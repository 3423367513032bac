"""Folders for blobs on this host: private, locked while in use, leftovers swept."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path

PREFIX = "dask-serverless-blobs-"
MEMORY = "/dev/shm"
SWEEP_AGE_SECONDS = 10.0  # a folder is locked a moment after it is made


class Folders:
    """One folder in shared memory, where there is any, and one on disk for when that is full."""

    def __init__(self) -> None:
        parents = [p for p in (MEMORY, tempfile.gettempdir()) if os.access(p, os.W_OK | os.X_OK)]
        self.paths: list[str] = []
        self.locks: list[int] = []
        for parent in dict.fromkeys(parents):
            sweep(Path(parent))
            path = tempfile.mkdtemp(prefix=PREFIX, dir=parent)
            lock = os.open(path, os.O_RDONLY)
            with suppress(OSError):  # a file system without locks: never swept
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.paths.append(path)
            self.locks.append(lock)

    def close(self) -> None:
        for path in self.paths:
            shutil.rmtree(path, ignore_errors=True)
        for lock in self.locks:
            with suppress(OSError):
                os.close(lock)
        self.locks = []


def sweep(parent: Path) -> None:
    """Remove the folders of clients that were killed together with all that would clean up."""
    for folder in parent.glob(PREFIX + "*"):
        with suppress(OSError):
            status = folder.lstat()
            if status.st_uid != os.getuid() or time.time() - status.st_mtime < SWEEP_AGE_SECONDS:
                continue
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # in use: BlockingIOError
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)
