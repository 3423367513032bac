"""Private folders of this host: for this user alone, locked while in use, leftovers swept."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

SWEEP_AGE_SECONDS = 10.0  # a folder is locked a moment after it is made: not swept in between


def make(prefix: str, parent: str) -> tuple[Path, int]:
    """A new folder, and the descriptor that holds the lock on it."""
    folder = tempfile.mkdtemp(prefix=prefix, dir=parent)
    lock = os.open(folder, os.O_RDONLY)
    with suppress(OSError):  # a file system without locks: such a folder is never swept
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return Path(folder), lock


def sweep(prefix: str, parent: Path, before: Callable[[Path], None] | None = None) -> None:
    """Remove what clients left that were killed together with all that would clean up.

    ``before`` ends what may still run in such a folder.
    """
    for entry in os.scandir(parent):
        if entry.name.startswith(prefix):
            with suppress(OSError):
                _sweep_one(Path(entry.path), before)


def _sweep_one(folder: Path, before: Callable[[Path], None] | None) -> None:
    status = folder.lstat()
    if status.st_uid != os.getuid() or time.time() - status.st_mtime < SWEEP_AGE_SECONDS:
        return
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # in use: BlockingIOError
        if before is not None:
            with suppress(OSError):
                before(folder)
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(lock)
