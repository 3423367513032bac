"""Room: what to do where a disk is full, the daemon's or the client's own."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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


@contextmanager
def building() -> Iterator[Path]:
    """A folder of this host to build an image from; all that goes wrong there is one error.

    What clients left that were killed over it goes first.
    """
    parent = tempfile.gettempdir()
    try:
        private.sweep(PREFIX, Path(parent))
        folder, lock = private.make(PREFIX, parent)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT) or is_full(str(error))
        raise ImageNotBuilt(str(error), own_remedy() if full else "") from error
