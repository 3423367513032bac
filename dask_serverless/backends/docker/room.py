"""Room: what to do where a disk is full, the daemon's or the client's own."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from dask_serverless import private
from dask_serverless.errors import ImageNotBuilt

PREFIX = "dask-serverless-image-"
FULL = "no space left on device"
QUOTA = "disk quota exceeded"
ON_DAEMON = (
    "The daemon's disk is full. Make room there: `docker image prune --all --filter "
    "label=dask-serverless` removes images of ours that are not in use, `docker system prune` more."
)


def is_full(told: str) -> bool:
    return FULL in told.lower() or QUOTA in told.lower()


def daemons_remedy(told: str, otherwise: str = "") -> str:
    """For what a daemon has said."""
    return ON_DAEMON if is_full(told) else otherwise


def own_remedy() -> str:
    return (
        f"The folder for temporary files of this client, {tempfile.gettempdir()}, is full. Make room "
        "there, or name another one in TMPDIR."
    )


_under_way: dict[Path, threading.Event] = {}  # folders, and what says that nobody needs them


@contextmanager
def building(over: threading.Event) -> Iterator[Path]:
    """A folder of this host to build an image from; all that goes wrong there is one error.

    What clients left that were killed over it goes first.
    """
    parent = tempfile.gettempdir()
    try:
        private.sweep(PREFIX, Path(parent))
        folder, lock = private.make(PREFIX, parent)
        _under_way[folder] = over
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            _under_way.pop(folder, None)
            os.close(lock)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT) or is_full(str(error))
        raise ImageNotBuilt(str(error), own_remedy() if full else "") from error


def vacate(over: threading.Event) -> None:
    """Whoever builds for this one may be a thread that ends with the process, wherever it is."""
    for folder in [folder for folder, whose in list(_under_way.items()) if whose is over]:
        shutil.rmtree(folder, ignore_errors=True)


def context_in(folder: Path) -> IO[bytes]:
    """A file that needs no removal, for what the daemon builds from: it may be large."""
    return tempfile.TemporaryFile(dir=folder)
