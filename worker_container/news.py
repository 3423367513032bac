"""What a container tells whoever listens: one message a line, to each of them."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

from dask_serverless.backends.messages import Message, bare, line_of

PATIENCE_SECONDS = 5.0  # with a listener that does not read


class News:
    """Connections that were opened by GET /events."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.listeners: list[socket.socket] = []

    def tell(self, message: Message) -> bool:
        """Whether anybody has heard it."""
        line = line_of(bare(message))
        with self.lock:
            self.listeners = [each for each in self.listeners if sent(each, line)]
            return bool(self.listeners)

    def listen(self, connection: socket.socket) -> None:
        """Until the other side closes it."""
        with self.lock:
            self.listeners.append(connection)
        with suppress(OSError):
            while connection.recv(1 << 10):
                pass
        with self.lock, suppress(ValueError):
            self.listeners.remove(connection)


def sent(connection: socket.socket, line: bytes) -> bool:
    before = connection.gettimeout()
    try:
        connection.settimeout(PATIENCE_SECONDS)
        connection.sendall(line)
        connection.settimeout(before)
    except OSError:
        return False
    return True
