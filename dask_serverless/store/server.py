"""One private server process, in a private directory, under a guard that cleans up after us."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from dask_serverless.store.binary import find_binary
from dask_serverless.store.directory import make_directory, sweep

SOCKET = "socket"
CONFIGURATION = "configuration"
LOG = "log"
STOP_SECONDS = 5.0
POLL_SECONDS = 0.001
F_SETSIG = 10  # of Linux; the module fcntl does not name it

#: The guard runs the server and ends with it. Its watcher reads a pipe that only the client holds
#: open: it ends when the client closes it, or dies in whatever way, and then all is removed. Where
#: the server ends first, the directory stays, for the client to read the log.
#: Standard output is the lock on the directory: guard and watcher keep it, the server does not.
#: The server has the pipe, too: should guard or watcher be killed, the kernel ends it (`_end_with`).
GUARD = """
PATH=$PATH:/usr/bin:/bin
trap '' HUP INT TERM
directory=$1; shift
exec 3<&0
"$@" <&3 3<&- >"$directory/log" 2>&1 &
server=$!
{ read -r _ <&3; rm -rf -- "$directory"; kill -9 $server; } 2>/dev/null &
watcher=$!
wait $server
kill -9 $watcher 2>/dev/null || rm -rf -- "$directory"
"""

#: Nothing is persisted, nothing evicted, slow readers are not cut off, and large values are freed
#: in the background. All of it is understood from Redis 6.2 on.
FLAGS = {
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
    """A server that is starting or running, until `stop` or the end of the process."""

    def __init__(self, configuration: str = "") -> None:
        """``configuration`` goes into a file: what is secret must not stand in a command."""
        binary = find_binary()
        self.directory, self._lock = make_directory()
        self.socket = self.directory / SOCKET
        self.url = f"unix://{self.socket}"
        command = [binary]
        if configuration:
            (self.directory / CONFIGURATION).write_text(configuration)
            command.append(str(self.directory / CONFIGURATION))
        self._guard, self._pipe = _spawn(command, self.directory, self.socket, self._lock)
        sweep(self.directory.parent, SOCKET)

    def wait_ready(self, timeout_seconds: float) -> str:
        """Empty once the server takes connections, else why it does not."""
        deadline = time.monotonic() + timeout_seconds
        while not self._connects():
            if not self.alive():
                return f"the server ended at once: {self._last_words()}"
            if time.monotonic() > deadline:
                return f"the server did not start in {timeout_seconds} s: {self._last_words()}"
            time.sleep(POLL_SECONDS)
        return ""

    def alive(self) -> bool:
        return self._guard.poll() is None

    def stop(self) -> None:
        """End the server and wait until it is gone, with its directory."""
        self._close_files()
        try:
            self._guard.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._guard.kill()
            self._guard.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

    def abandon(self) -> None:
        """Let go of what a fork inherited, without touching the server: it is the parent's."""
        self._close_files()
        self._guard.returncode = 0  # not our child: nothing to wait for, nothing to warn about

    def _close_files(self) -> None:
        for descriptor in (self._pipe, self._lock):
            with suppress(OSError):
                os.close(descriptor)
        self._pipe = self._lock = -1

    def _connects(self) -> bool:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            return connection.connect_ex(str(self.socket)) == 0

    def _last_words(self) -> str:
        try:
            lines = (self.directory / LOG).read_text(errors="replace").split("\n")
        except OSError:
            return "no log"
        return " ".join(line for line in lines[-4:] if line) or "no word in its log"


def _spawn(
    program: list[str], directory: Path, path: Path, lock: int
) -> tuple[subprocess.Popen[bytes], int]:
    """The guard, and the end of its pipe that says we live: no child of ours inherits it."""
    reading, writing = os.pipe()
    flags = [word for flag in FLAGS.items() for word in flag]
    if len(program) == 1:  # a configuration says where else it listens
        flags += ["--port", "0"]
    command = [*program, *flags, "--dir", str(directory), "--unixsocket", str(path)]
    try:
        guard = subprocess.Popen(
            ["/bin/sh", "-c", GUARD, "guard", str(directory), *command],
            stdin=reading,
            stdout=lock,
            stderr=subprocess.DEVNULL,
            # A session of its own: Ctrl-C in the terminal must not reach the server.
            start_new_session=True,
        )
        _end_with(reading, guard.pid)
    except BaseException:
        os.close(writing)
        raise
    finally:
        os.close(reading)
    return guard, writing


def _end_with(pipe: int, group: int) -> None:
    """Let the kernel send SIGTERM to a process group when the pipe's other end is closed.

    The guard and its watcher are deaf to it. Linux alone can send anything but SIGIO.
    """
    if sys.platform == "linux":
        with suppress(OSError):
            fcntl.fcntl(pipe, fcntl.F_SETOWN, -group)
            fcntl.fcntl(pipe, F_SETSIG, signal.SIGTERM)
            fcntl.fcntl(pipe, fcntl.F_SETFL, fcntl.fcntl(pipe, fcntl.F_GETFL) | os.O_ASYNC)
