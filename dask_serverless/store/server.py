"""One private server process, in a private directory, under a guard that outlives us by a moment."""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from dask_serverless.store.binary import find_binary

PREFIX = "dask-serverless-"
SOCKET = "socket"
#: sockaddr_un holds 108 bytes on Linux and 104 on macOS, the closing zero among them.
LONGEST_PATH_BYTES = 103
STOP_SECONDS = 5.0
POLL_SECONDS = 0.001

#: Runs the server, waits for the end of its own standard input (which comes when the client closes
#: the pipe, or dies in whatever way), and cleans up. The server gets neither that pipe nor the
#: lock on the directory (9), so neither outlives the guard in it.
GUARD = """
directory=$1; shift
"$@" </dev/null 9<&- &
server=$!
trap '' HUP INT TERM
read -r _
kill -9 $server
wait $server 2>/dev/null
rm -rf -- "$directory"
"""

#: Nothing is persisted, nothing evicted, slow readers are not cut off, and large values are freed
#: in the background. All of it is understood from Redis 6.2 on.
FLAGS = {
    "--port": "0",
    "--unixsocketperm": "700",
    "--save": "",
    "--appendonly": "no",
    "--databases": "1",
    "--maxmemory-policy": "noeviction",
    "--client-output-buffer-limit": "pubsub 0 0 0",
    "--lazyfree-lazy-user-del": "yes",
    "--lazyfree-lazy-expire": "yes",
    "--lazyfree-lazy-server-del": "yes",
    "--slowlog-log-slower-than": "-1",
    "--loglevel": "warning",
}


class Server:
    """A server that is starting or running; `stop` it, or let the process end."""

    def __init__(self) -> None:
        binary = find_binary()
        self.directory = Path(tempfile.mkdtemp(prefix=PREFIX, dir=short_directory()))
        self.socket = self.directory / SOCKET
        self.url = f"unix://{self.socket}"
        self._lock = os.open(self.directory, os.O_RDONLY)
        fcntl.flock(self._lock, fcntl.LOCK_SH)
        self._guard = self._spawn(binary)
        sweep(self.directory.parent)
