"""Keeps a claim alive while user code runs, from a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress

from dask_serverless.blobs.lock import StoreLock
from dask_serverless.coordination.base import OK
from dask_serverless.coordination.redis import RedisCoordination
from dask_serverless.errors import StoreError

Held = tuple[RedisCoordination, int, str, float]  # whose call, bundle, claim, seconds between beats


class Heartbeat:
    """Told what is held by plain assignment: a bundle of microseconds must not pay for a lock."""

    def __init__(self, container: str, lost: Callable[[str], None]) -> None:
        self.container = container
        self.lost = lost  # called with the claim that no longer holds
        self.held: Held | None = None
        self.awake = threading.Event()
        self.seconds = 1.0
        self.thread: threading.Thread | None = None

    def hold(self, held: Held) -> None:
        self.held = held
        if self.thread is None:
            self.seconds = held[3]
            self.thread = threading.Thread(target=self.beat, name="heartbeat", daemon=True)
            self.thread.start()

    def drop(self) -> None:
        self.held = None

    def beat(self) -> None:
        while not self.awake.wait(self.seconds):
            held = self.held
            if held is None:
                continue
            coordination, bundle, claim, self.seconds = held
            with suppress(StoreError):  # the main thread will meet it too, and say so
                answer = coordination.renew(self.container, bundle, claim)
                StoreLock.renew(coordination.link)
                if answer.status != OK and self.held is held:
                    self.lost(claim)
