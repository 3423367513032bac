"""The private server's directory: a short path, a lock while it is in use, a sweep of leftovers."""

from __future__ import annotations

import os
import socket
import tempfile
from pathlib import Path

from dask_serverless import private
from dask_serverless.errors import StoreUnreachable

PREFIX = "dask-serverless-store-"
#: sockaddr_un holds 108 bytes on Linux and 104 on macOS, the closing zero among them.
LONGEST_PATH_BYTES = 103
#: What mkdtemp appends, and the name of the socket.
SUFFIX_BYTES = len("/12345678/socket")


def make_directory() -> tuple[Path, int]:
    """A new directory for this user alone, and the descriptor that holds the lock on it."""
    return private.make(PREFIX, _short_parent())


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
    private.sweep(PREFIX, parent, lambda directory: _shut_down(directory / socket_name))


def _shut_down(path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(1.0)
        connection.connect(str(path))
        connection.sendall(b"SHUTDOWN NOSAVE\r\n")
