"""A container's HTTP entry point, as whoever invites it sees it; docs/invocation.md has the protocol."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import Any

from dask_serverless.backends.lines import Lines
from dask_serverless.backends.messages import Message, line_of, message_of
from dask_serverless.backends.sealed import sealed
from dask_serverless.signing.secret import Secret
from dask_serverless.store.sockets import keep_alive
from dask_serverless.worker.invitation import Invitation

ANSWER_SECONDS = 30.0  # an answer takes a millisecond, but a host may be overloaded
HEAD_BYTES = 1 << 14


class EntryPointError(Exception):
    """It answered with a refusal that no repetition changes, or not at all."""


@dataclass(frozen=True)
class Address:
    host: str
    port: int
    token: str = field(repr=False)
    secret: Secret | None = None  # that the container has; None: the token's

    @property
    def sealing(self) -> Secret:
        return self.secret or Secret(self.token)

    @property
    def authorization(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


class EntryPoint:
    """One kept connection; any thread may use it, one at a time."""

    def __init__(self, address: Address, answer_seconds: float = ANSWER_SECONDS) -> None:
        self.address = address
        self.lock = threading.Lock()
        self.connection = HTTPConnection(address.host, address.port, timeout=answer_seconds)

    def invoke(self, invitation: Invitation, over: Sequence[str] = ()) -> bool:
        """Whether it came; False: it has other work, or is about to end.

        ``over`` are runs that it may forget.
        """
        body = invitation_body(invitation, self.address, over=list(over))
        return self.ask("POST", "/invoke", body)[0] == 202

    def work(self, invitation: Invitation) -> list[Message] | None:
        """Have it work, and wait until it has left the run: what it told; None: it did not come.

        For platforms that give a container time only while a request is under way.
        """
        body = invitation_body(invitation, self.address, wait=True)
        status, content = self.ask("POST", "/invoke", body)
        return [message_of(line) for line in content.splitlines()] if status == 200 else None

    def tell(self, messages: Sequence[Message]) -> None:
        self.ask("POST", "/tell", b"".join(map(line_of, messages)))

    def ask(self, method: str, path: str, body: bytes | None) -> tuple[int, bytes]:
        """Over a fresh connection, if the kept one has been closed meanwhile."""
        with self.lock:
            fresh = self.connection.sock is None
            try:
                response = self.asked(method, path, body)
            except (OSError, HTTPException) as error:
                self.connection.close()
                if fresh or isinstance(error, TimeoutError):
                    raise EntryPointError(str(error) or type(error).__name__) from error
                try:
                    response = self.asked(method, path, body)
                except (OSError, HTTPException) as again:
                    self.connection.close()
                    raise EntryPointError(str(again) or type(again).__name__) from again
            status, content = response
        if why := refusal(status, content):
            raise EntryPointError(why)
        return status, content

    def asked(self, method: str, path: str, body: bytes | None) -> tuple[int, bytes]:
        """In one packet: http.client sends head and body in two, and the second one late."""
        connection = self.connection
        if connection.sock is None:
            connection.connect()
        connection.sock.sendall(request(self.address, method, path, body or b""))
        with HTTPResponse(connection.sock, method=method) as response:
            response.begin()
            status, content = response.status, response.read()
            if response.will_close:
                connection.close()
        return status, content

    def close(self) -> None:
        self.connection.close()


def invitation_body(invitation: Invitation, address: Address, **told: Any) -> bytes:
    return json.dumps({"invitation": sealed(invitation, address.sealing), **told}).encode()


def request(address: Address, method: str, path: str, body: bytes = b"") -> bytes:
    told = {"Host": address.host, "Content-Length": len(body), **address.authorization}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in told.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


def refusal(status: int, content: bytes) -> str:
    """What no repetition changes: "" for a container that came, or has other work."""
    if status < 400 or status in (409, 429, 503):
        return ""
    return f"it answered {status}: {content[:500].decode(errors='replace')}"


def events_of(address: Address) -> Lines:
    """A connection over which it tells what goes on there, until one side closes it."""
    try:
        stream = socket.create_connection((address.host, address.port), ANSWER_SECONDS)
    except OSError as error:
        raise EntryPointError(str(error)) from error
    try:
        keep_alive(stream)  # one that is cut off from the network says nothing, for ever
        ask_for_events(stream, address)
    except OSError as error:
        stream.close()
        raise EntryPointError(str(error)) from error
    except BaseException:
        stream.close()
        raise
    return Lines(stream)


def ask_for_events(stream: socket.socket, address: Address) -> None:
    stream.sendall(request(address, "GET", "/events"))
    head = b""
    while not head.endswith(b"\r\n\r\n") and len(head) < HEAD_BYTES:
        if not (byte := stream.recv(1)):  # what follows is for whoever reads on
            break
        head += byte
    if not head.startswith(b"HTTP/1.1 200 "):
        raise EntryPointError(f"it answered {head[:100].decode(errors='replace')!r}")
    stream.settimeout(None)
