"""A connection between processes of this host, over which messages go whole: one a line."""

from __future__ import annotations

import select
import socket
from collections.abc import Callable, Iterator

from dask_serverless.backends.messages import Message, line_of, message_of


class Lines:
    """A stream socket that carries messages whole."""

    def __init__(self, stream: socket.socket) -> None:
        self.stream = stream
        self.rest = b""

    def fileno(self) -> int:
        return self.stream.fileno()

    def send(self, *messages: Message) -> bool:
        """Whether the other side still took them."""
        try:
            self.stream.sendall(b"".join(map(line_of, messages)))
        except OSError:
            return False
        return True

    def receive(self) -> list[Message] | None:
        """What has come (waiting for something), or None when the other side is gone."""
        try:
            data = self.stream.recv(1 << 16)
        except OSError:
            return None
        if not data:
            return None
        *lines, self.rest = (self.rest + data).split(b"\n")
        return [message_of(line) for line in lines]

    def __iter__(self) -> Iterator[Message]:
        while (messages := self.receive()) is not None:
            yield from messages

    def until_quiet(self, seconds: float, quiet: Callable[[], None]) -> Iterator[Message]:
        """All messages; ``quiet`` is called when there has been none for so long, once each time."""
        while True:
            if not select.select([self.stream], [], [], seconds)[0]:
                quiet()
            messages = self.receive()
            if messages is None:
                return
            yield from messages

    def close(self) -> None:
        self.stream.close()
