"""One container of a pool: started, listened to, and gone."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from dask_serverless.backends.docker.calls import Calls
from dask_serverless.backends.docker.daemon import Attached, Daemon, Limits
from dask_serverless.backends.entry_point import Address, EntryPointError, events_of
from dask_serverless.backends.lines import Lines
from dask_serverless.backends.messages import Message
from dask_serverless.backends.words import REMEMBERED_BYTES, last_lines
from dask_serverless.signing.secret import Secret

PORT = 8080
START_SECONDS = 60.0
PAUSE_SECONDS = 0.01  # between two looks whether it listens


class Container:
    """A real one; one thread listens, another one passes on what tasks print."""

    def __init__(self, daemon: Daemon, pool: str, name: str) -> None:
        self.daemon = daemon
        self.pool = pool
        self.name = name
        self.id = ""
        self.attached: Attached | None = None
        self.calls: Calls | None = None  # once it has an address
        self.over: list[str] = []  # runs that it may forget
        self.tail = b""  # of its standard error
        self.ended = False

    def start(self, image: str, limits: Limits, token: str, told: Mapping[str, Any]) -> None:
        """Until it takes invitations."""
        environment = {"WORKER_OWNED": "1", "DASK_SERVERLESS_CONTAINER": self.name}
        with self.daemon.refusing(f"to start a container of the image {image}"):
            self.id, self.attached = self.daemon.create(
                self.pool, self.name, image, limits, environment
            )
            place = {"host": "0.0.0.0", "port": PORT}  # of its own network, the pool's
            self.attached.send({"token": token, "name": self.name, **place, **told})
            host = self.daemon.start(self.id, self.pool)
        self.calls = Calls(Address(host, PORT, token, Secret(told["secret"])))

    def listen(self) -> Lines | None:
        """What it tells, from the moment on when it takes invitations; None: it did not come up."""
        assert self.calls is not None
        deadline = time.monotonic() + START_SECONDS
        while not self.ended and time.monotonic() < deadline:
            try:
                return events_of(self.calls.address)
            except EntryPointError:
                time.sleep(PAUSE_SECONDS)
        return None

    def pass_on(self) -> None:
        """What tasks print is shown where the client's own output goes."""
        assert self.attached is not None
        for number, data in self.attached:
            if number == 2:
                self.tail = (self.tail + data)[-REMEMBERED_BYTES:]
            with suppress(OSError):
                os.write(number, data)
        self.ended = True

    @property
    def words(self) -> str:
        return last_lines(self.tail)

    def tell(self, messages: Sequence[Message]) -> None:
        if self.calls is not None:
            self.calls.tell(messages)

    def remove(self) -> None:
        if self.id:
            self.daemon.remove(self.id)
        self.close()

    def close(self) -> None:
        if self.attached is not None:
            self.attached.close()
        if self.calls is not None:
            self.calls.close()

    def abandon(self) -> None:
        """In a fork, let go of the connections: the container ends when nobody has them any more."""
        if self.attached is not None:
            self.attached.abandon()
        if self.calls is not None:
            self.calls.abandon()
