"""A way to the Docker daemon that can be cut, as a daemon that is started again cuts it."""

from __future__ import annotations

import os
import socket
import threading
from contextlib import suppress
from pathlib import Path

CHUNK_BYTES = 1 << 16


class Relay:
    """A socket of its own that leads to the daemon's, while it is open."""

    def __init__(self, folder: Path) -> None:
        self.path = str(folder / "docker.sock")
        self.url = f"unix://{self.path}"
        daemons = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
        self.target = daemons.removeprefix("unix://")
        self.lock = threading.Lock()
        self.ends: list[socket.socket] = []
        self.open()

    def open(self) -> None:
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen()
        threading.Thread(target=self.accept, args=(self.listener,), daemon=True).start()

    def cut(self) -> None:
        """Nobody answers there any more, and all connections are gone."""
        os.unlink(self.path)
        with self.lock:
            self.listener.close()
            ends, self.ends = self.ends, []
        for end in ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.socket(socket.AF_UNIX)
                far.connect(self.target)
                with self.lock:
                    if listener is not self.listener or listener.fileno() < 0:
                        near.close()
                        return
                    self.ends += [near, far]
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=carry, args=(one, other), daemon=True).start()


def carry(one: socket.socket, other: socket.socket) -> None:
    """Until its end, which the other side hears of."""
    with suppress(OSError):
        while data := one.recv(CHUNK_BYTES):
            other.sendall(data)
    with suppress(OSError):
        other.shutdown(socket.SHUT_WR)
