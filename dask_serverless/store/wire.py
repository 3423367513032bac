"""One connection to one server: commands out, parsed replies in, no retries.

It speaks RESP itself, over hiredis: importing redis-py costs a fresh process 50 to 100 ms, and its
pipeline costs more per call than the server takes to answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import hiredis

from dask_serverless.errors import StoreDenied
from dask_serverless.store.address import Address
from dask_serverless.store.resp import Buffer, Command, buffers_of
from dask_serverless.store.sockets import give_up_after, open_socket

CLIENT_NAME = "dask-serverless"
#: How long an answer may take that does not block on purpose.
REPLY_SECONDS = 60.0
READ_BYTES = 1 << 18
#: The kernel takes at most 1024 buffers in one call (IOV_MAX).
GATHER = 512

NOT_YET = object()
TIMED_OUT = "timed out"  # what Python itself says of a socket


class Wire:
    """A connected, authenticated socket. Any error leaves it unusable: close it then."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.bytes_sent = 0
        self.bytes_received = 0
        self._longest_wait = 0.0
        self._reader = hiredis.Reader(notEnoughData=NOT_YET)
        self._incoming = memoryview(bytearray(READ_BYTES))
        self._socket = open_socket(address)
        try:
            self._introduce()
            self._wait_up_to(0.0)
        except BaseException:
            self.close()
            raise

    def send(self, commands: Sequence[Command]) -> None:
        """Write the commands out; the server answers them in this order."""
        buffers = buffers_of(commands)
        try:
            if len(buffers) == 1:
                self._socket.sendall(buffers[0])
                self.bytes_sent += len(buffers[0])
            else:
                self._send_buffers(buffers)
        except BlockingIOError:
            raise TimeoutError(TIMED_OUT) from None

    def receive(self, count: int, wait_seconds: float = 0.0) -> list[Any]:
        """The next replies, errors among them as values.

        `wait_seconds` is how long the commands themselves may block.
        """
        if wait_seconds > self._longest_wait:
            self._wait_up_to(wait_seconds)
        gets = self._reader.gets
        replies: list[Any] = []
        while len(replies) < count:
            reply = gets()
            if reply is NOT_YET:
                self._read()
            else:
                replies.append(reply)
        return replies

    def _wait_up_to(self, seconds: float) -> None:
        """Now and later. Most calls of a link that ever blocks follow one that did, and to set the
        limit back each time takes longer than it is worth: a server that hangs is just found out
        a moment later.
        """
        self._longest_wait = seconds
        give_up_after(self._socket, REPLY_SECONDS + seconds, self.address)

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    def _read(self) -> None:
        try:
            received = self._socket.recv_into(self._incoming)
        except BlockingIOError:
            raise TimeoutError(TIMED_OUT) from None
        if not received:
            raise ConnectionError("the server closed the connection")
        self.bytes_received += received
        self._reader.feed(self._incoming, 0, received)  # type: ignore[arg-type]

    def _send_buffers(self, buffers: list[Buffer]) -> None:
        """Send many buffers without joining them; TLS has no such call and takes one by one."""
        self.bytes_sent += sum(len(buffer) for buffer in buffers)
        if self.address.tls:
            for buffer in buffers:
                self._socket.sendall(buffer)
            return
        for start in range(0, len(buffers), GATHER):
            self._send_gathered([memoryview(b) for b in buffers[start : start + GATHER]])

    def _send_gathered(self, views: list[memoryview]) -> None:
        while views:
            sent = self._socket.sendmsg(views)
            while views and sent >= len(views[0]):
                sent -= len(views.pop(0))
            if sent:
                views[0] = views[0][sent:]

    def _introduce(self) -> None:
        """Credentials, database and a name for CLIENT LIST, in one round trip."""
        address = self.address
        commands: list[Command] = [("CLIENT", "SETNAME", CLIENT_NAME)]
        if address.database:
            commands.insert(0, ("SELECT", address.database))
        if address.password:
            user = (address.user,) if address.user else ()
            commands.insert(0, ("AUTH", *user, address.password))
        self.send(commands)
        for command, reply in zip(commands, self.receive(len(commands)), strict=True):
            if isinstance(reply, hiredis.ReplyError):
                self._judge(command, reply)

    def _judge(self, command: Command, reply: hiredis.ReplyError) -> None:
        """What a server that greets us with an error means by it."""
        if "max number of clients" in str(reply):
            raise ConnectionError(str(reply))  # passes, perhaps
        # Some managed services forbid CLIENT; only its name is lost. The protected mode, though,
        # refuses whatever comes first.
        # Without a password that it wants, a server also closes the connection at what is large.
        if command[0] != "CLIENT" or str(reply).startswith(("DENIED", "NOAUTH")):
            # "unknown command 'AUTH', with args beginning with: ..." quotes them.
            reason = str(reply).replace(self.address.password or "***", "***")
            raise StoreDenied(self.address.shown, reason)
