"""Keeps a claim alive while user code runs, from a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress

from dask_serverless.coordination.base import OK
from dask_serverless.errors import StoreError
from dask_serverless.worker.connections import Connections
from dask_serverless.worker.invitation import Invitation

Held = tuple[Invitation, int, str, float]  # whose run, bundle, claim, seconds between beats


class Heartbeat:
    """Told what is held by plain assignment: a bundle of microseconds must not pay for a lock."""

    def __init__(
        self, container: str, connections: Connections, lost: Callable[[str], None]
    ) -> None:
        self.container = container
        self.connections = connections  # of its own
        self.lost = lost  # called with the claim that no longer holds
        self.held: Held | None = None
        self.awake = threading.Event()
        self.seconds = 1.0
        self.thread: threading.Thread | None = None

    def hold(self, invitation: Invitation, bundle: int, claim: str, lease_seconds: float) -> None:
        self.held = (invitation, bundle, claim, lease_seconds / 3)
        if self.thread is None:
            self.seconds = lease_seconds / 3
            self.thread = threading.Thread(target=self.beat, name="heartbeat", daemon=True)
            self.thread.start()

    def drop(self) -> None:
        self.held = None

    def beat(self) -> None:
        while not self.awake.wait(self.seconds):
            held = self.held
            if held is None:
                continue
            invitation, bundle, claim, self.seconds = held
            with suppress(StoreError):  # the main thread will meet it too, and say so
                coordination = self.connections.coordination(invitation)
                answer = coordination.renew(self.container, bundle, claim)
                if answer.status != OK and self.held is held:
                    self.lost(claim)
