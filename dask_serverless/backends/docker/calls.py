"""Calls of a container that nobody waits for: sent at once, and their answers heard in a thread.

A client goes on with its plan while its invitation is under way, which saves some twentieth of a warm
compute.
"""

from __future__ import annotations

import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from dask_serverless.backends.entry_point import (
    ANSWER_SECONDS,
    Address,
    invitation_body,
    refusal,
    request,
)
from dask_serverless.backends.messages import Message, line_of
from dask_serverless.store.sockets import keep_alive
from dask_serverless.worker.invitation import Invitation

ACCEPTED = 202
END_OF_HEAD = b"\r\n\r\n"
LENGTH = b"\r\nContent-Length: "  # as our own server writes it

Answered = Callable[[bool, str], object]  # whether it came, and why it never will


@dataclass
class Posted:
    data: bytes
    answered: Answered
    sent: float = field(default_factory=time.monotonic)
    again: bool = False  # over a second connection


class Calls:
    """Over one kept connection, in their order; any thread may call."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.lock = threading.Lock()
        self.stream: socket.socket | None = None
        self.unanswered: deque[Posted] = deque()
        self.closed = False

    def invoke(self, invitation: Invitation, over: Sequence[str], answered: Answered) -> None:
        """``over`` are runs that it may forget."""
        body = invitation_body(invitation, self.address, over=list(over))
        self.send(Posted(request(self.address, "POST", "/invoke", body), answered))

    def tell(self, messages: Sequence[Message]) -> None:
        body = b"".join(map(line_of, messages))
        self.send(Posted(request(self.address, "POST", "/tell", body), unheeded))

    def send(self, call: Posted) -> None:
        """Over a fresh connection, if there is none, or not any more."""
        with self.lock:
            why = "" if self.closed else self.connected()
            if self.stream is not None:
                self.unanswered.append(call)
                with suppress(OSError):  # whoever hears of answers meets the same end
                    self.stream.sendall(call.data)
                return
        call.answered(False, why)

    def connected(self) -> str:
        """Why not; with the lock held."""
        if self.stream is None:
            try:
                stream = socket.create_connection(
                    (self.address.host, self.address.port), ANSWER_SECONDS
                )
                stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                keep_alive(stream)
            except OSError as error:
                return str(error) or type(error).__name__
            self.stream = stream
            threading.Thread(
                target=self.hear, args=(stream,), name="dask-serverless-answers", daemon=True
            ).start()
        return ""

    def hear(self, stream: socket.socket) -> None:
        """Of each answer, until the connection ends; what it leaves is called once more."""
        why = "it closed the connection"
        try:
            for status, content in self.answers(stream):
                with self.lock:
                    call = self.unanswered.popleft()
                call.answered(status == ACCEPTED, refusal(status, content))
        except (OSError, ValueError, IndexError) as error:
            why = str(error) or type(error).__name__
        with self.lock:
            self.stream, left = None, list(self.unanswered)
            self.unanswered.clear()
        stream.close()
        for call in left:
            if call.again or self.silent(call):
                call.answered(False, "" if self.closed else why)
            else:
                call.again = True
                self.send(call)

    def answers(self, stream: socket.socket) -> Iterator[tuple[int, bytes]]:
        data = b""
        while True:
            while (end := data.find(END_OF_HEAD)) < 0 or len(data) < end + 4 + length(data[:end]):
                if not (more := self.received(stream)):
                    return
                data += more
            head, after = data[:end], end + 4
            content, data = data[after : after + length(head)], data[after + length(head) :]
            yield int(head.split(b" ", 2)[1]), content

    def received(self, stream: socket.socket) -> bytes:
        """Nothing to say for long is no trouble, as long as it owes no answer."""
        while True:
            try:
                return stream.recv(1 << 16)
            except TimeoutError:
                with self.lock:
                    first = self.unanswered[0] if self.unanswered else None
                if first is not None and self.silent(first):
                    raise

    @staticmethod
    def silent(call: Posted) -> bool:
        return time.monotonic() - call.sent >= ANSWER_SECONDS

    def close(self) -> None:
        with self.lock:
            self.closed = True
            if self.stream is not None:
                with suppress(OSError):
                    self.stream.shutdown(socket.SHUT_RDWR)  # its reader comes to the end

    def abandon(self) -> None:
        """In a fork: the connection is the parent's."""
        self.lock = threading.Lock()
        self.closed = True
        if self.stream is not None:
            self.stream.close()


def length(head: bytes) -> int:
    return int(head.partition(LENGTH)[2].partition(b"\r\n")[0] or 0)


def unheeded(came: bool, why: str) -> None:
    """What was told is a hint."""
