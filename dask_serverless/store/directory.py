"""The private server's directory: a short path, a lock while it is in use, a sweep of leftovers."""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from dask_serverless.errors import StoreUnreachable

PREFIX = "dask-serverless-store-"
#: sockaddr_un holds 108 bytes on Linux and 104 on macOS, the closing zero among them.
LONGEST_PATH_BYTES = 103
#: What mkdtemp appends, and the name of the socket.
SUFFIX_BYTES = len("/12345678/socket")
#: A directory is locked a moment after it is made: do not sweep it in between.
SWEEP_AGE_SECONDS = 10.0


def make_directory() -> tuple[Path, int]:
    """A new directory for this user alone, and the descriptor that holds the lock on it."""
    directory = tempfile.mkdtemp(prefix=PREFIX, dir=_short_parent())
    lock = os.open(directory, os.O_RDONLY)
    with suppress(OSError):  # a file system without locks: such a directory is never swept
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return Path(directory), lock


def _short_parent() -> str:
    """Where temporary files go, unless a socket's path would get too long there."""
    places = [tempfile.gettempdir(), "/tmp", os.environ.get("XDG_RUNTIME_DIR", ""), "/dev/shm"]
    for place in places:
        length = len(os.fsencode(place)) + len(PREFIX) + SUFFIX_BYTES
        if place and length <= LONGEST_PATH_BYTES and os.access(place, os.W_OK | os.X_OK):
            return place
    raise StoreUnreachable(
        "a private server",
        f"none of {', '.join(filter(None, places))} is writable and short enough for a Unix "
        "socket; set TMPDIR to a directory that is",
    )


def sweep(parent: Path, socket_name: str) -> None:
    """Remove what clients left behind that were killed together with their guards."""
    for entry in os.scandir(parent):
        if entry.name.startswith(PREFIX):
            with suppress(OSError):
                _sweep_one(Path(entry.path), socket_name)


def _sweep_one(directory: Path, socket_name: str) -> None:
    status = directory.lstat()
    age_seconds = time.time() - status.st_mtime
    if status.st_uid != os.getuid() or age_seconds < SWEEP_AGE_SECONDS:
        return
    lock = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # in use: BlockingIOError
        with suppress(OSError):
            _shut_down(directory / socket_name)
        shutil.rmtree(directory, ignore_errors=True)
    finally:
        os.close(lock)


def _shut_down(path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(1.0)
        connection.connect(str(path))
        connection.sendall(b"SHUTDOWN NOSAVE\r\n")
