"""Where a platform takes requests: one invitation is asked for, and what came of that."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import replace
from email.utils import parsedate_to_datetime
from functools import cached_property
from http.client import HTTPConnection, HTTPException, HTTPSConnection

from dask_serverless.backends.asking import Answer
from dask_serverless.backends.http.settings import HttpSettings
from dask_serverless.backends.messages import Message, Resting, message_of
from dask_serverless.backends.sealed import sealed
from dask_serverless.errors import PlatformUnavailable, SettingsError
from dask_serverless.signing.secret import Secret
from dask_serverless.worker.invitation import Invitation

ANSWER_SECONDS = 30.0  # also to connect, however long a request may last
BUSY = {409, 429}  # who was asked has other work, or the platform has no more to give
AGAIN = {408, 425, 500, 502, 503, 504}  # what gateways say of a moment
DENIED = {401, 403}
UNSEALED = 412  # the container does not take it for an invitation from here
TOO_LARGE = 413  # for a gateway: an invitation is far below the containers' own limit
SHARED = "Containers must have it as WORKER_SECRET; without it, both sides make one of the token."
SHOWN_CHARACTERS = 200  # of what a platform says
LIMITED = "Raise the limit for the bodies of requests to 1 MiB, in the proxy there."
SET_UP = "Does that URL lead to `python -m worker_container`? docs/http.md has the set-up."


class Endpoint:
    """Any thread may use it; connections are kept for those who come later."""

    def __init__(self, settings: HttpSettings, secret: Secret | None = None) -> None:
        self.settings = settings.complete()
        self.secret = secret or Secret(settings.token)
        self.idle: deque[HTTPConnection] = deque()
        self.closed = threading.Event()
        self.path = settings.parts.path.rstrip("/")
        self.headers = {
            "Authorization": f"Bearer {settings.token}",
            "Content-Type": "application/json",
        }

    def invoke(self, invitation: Invitation) -> Answer:
        if not self.settings.private:  # containers have to know the store by themselves
            invitation = replace(invitation, store="")
        body = {"invitation": sealed(invitation, self.secret), "wait": self.settings.wait}
        try:
            status, content, retry_after = self.ask("POST", "/invoke", json.dumps(body).encode())
        except (OSError, HTTPException) as error:
            why = f"{self.settings.url} does not answer: {error or type(error).__name__}"
            return Answer(why=why, reached=False)
        return self.answer(status, content, retry_after)

    def answer(self, status: int, content: bytes, retry_after: str = "") -> Answer:
        why = f"{self.settings.url} answered {status} ({shown(content)})"
        if status == 202:
            return Answer(came=True, why=why)
        if status == 200:
            return visited(why, messages(content))
        if status in BUSY:
            return Answer(why=why, rest_seconds=seconds_of(retry_after))
        if status in AGAIN:
            return Answer(why=why, reached=False, rest_seconds=seconds_of(retry_after))
        if status in DENIED:
            problem = f"is not that of the containers: {why}. It must be their WORKER_TOKEN."
            return Answer(why=why, refusal=SettingsError("http.token", problem))
        if status == UNSEALED:
            problem = f"is not that of the containers, or a clock is wrong: {why}. {SHARED}"
            return Answer(why=why, refusal=SettingsError("secret", problem))
        if status == TOO_LARGE:
            return Answer(why=why, refusal=PlatformUnavailable("http", why, LIMITED))
        return elsewhere(why)

    def ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes, str]:
        """Status, content and Retry-After, over a kept connection, if there is one; the other side
        may have closed it meanwhile.
        """
        while True:
            try:
                connection, kept = self.idle.pop(), True
            except IndexError:
                connection, kept = self.connection(), False
            try:
                if not kept:
                    self.connect(connection)
                connection.request(method, self.path + path, body, self.headers)
                response = connection.getresponse()
                status, content = response.status, response.read()
            except (OSError, HTTPException) as error:
                connection.close()
                if not kept or isinstance(error, TimeoutError):
                    raise
                continue
            if response.will_close or self.closed.is_set():
                connection.close()
            else:
                self.idle.append(connection)
            return status, content, response.getheader("Retry-After", "")

    def connection(self) -> HTTPConnection:
        parts = self.settings.parts
        host = str(parts.hostname)
        if parts.scheme == "https":
            return HTTPSConnection(host, parts.port, timeout=ANSWER_SECONDS, context=self.tls)
        return HTTPConnection(host, parts.port, timeout=ANSWER_SECONDS)

    def connect(self, connection: HTTPConnection) -> None:
        """A gate that takes no connection is not waited for as one that has work done is."""
        connection.connect()
        if self.settings.wait:
            connection.sock.settimeout(ANSWER_SECONDS + self.settings.request_seconds)

    @cached_property
    def tls(self) -> ssl.SSLContext:
        return ssl.create_default_context()

    def close(self) -> None:
        self.closed.set()
        with suppress(IndexError):
            while True:
                self.idle.pop().close()


def visited(why: str, told: list[Message]) -> Answer:
    """A container tells at last that it rests. A page that greets everybody tells nothing: to take
    it for a visit would be to wait for ever, since nobody comes.
    """
    if not any(isinstance(message, Resting) for message in told):
        return elsewhere(why)
    return Answer(came=True, told=told, why=why)


def elsewhere(why: str) -> Answer:
    """Somebody else answers there."""
    return Answer(why=why, refusal=PlatformUnavailable("http", why, SET_UP))


def messages(content: bytes) -> list[Message]:
    found = []
    for line in content.splitlines():
        with suppress(ValueError, TypeError, KeyError, RecursionError):  # a gateway's own words
            found.append(message_of(line))
    return found


def seconds_of(retry_after: str) -> float:
    """From now on: it is a number of them, or a date."""
    with suppress(ValueError, TypeError, OverflowError):
        if retry_after.strip().isdigit():
            return float(retry_after)
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    return 0.0


def shown(content: bytes) -> str:
    """In a container's answer, the error alone; of that, and of anything else, the beginning."""
    text = content.decode(errors="replace").strip()
    with suppress(ValueError, RecursionError):
        told = json.loads(content)
        if isinstance(told, dict) and isinstance(told.get("error"), str):
            text = told["error"].strip()
    if len(text) > SHOWN_CHARACTERS:
        text = text[:SHOWN_CHARACTERS].rpartition(" ")[0] + " …"
    return text or "without a word"
