"""How a pool's containers ended, as the daemon tells it: also one that was started again."""

from __future__ import annotations

import threading
from contextlib import suppress

from dask_serverless.backends.docker.daemon import Daemon, Events

TOLD_SECONDS = 1.0  # after a container's streams have ended, the daemon says how
AGAIN_SECONDS = 0.5  # until a daemon that is gone is asked again


class Ends:
    def __init__(self, daemon: Daemon, pool: str) -> None:
        self.daemon = daemon
        self.pool = pool
        self.told: dict[str, str] = {}  # container → how it ended, in words
        self.news = threading.Condition()
        self.over = threading.Event()
        self.events: Events | None = None

    def begin(self) -> None:
        threading.Thread(target=self._listen, name="dask-serverless-ends", daemon=True).start()

    def of(self, container: str) -> str:
        with self.news:
            self.news.wait_for(lambda: container in self.told, TOLD_SECONDS)
            return self.told.get(container, "ended, and nobody knows how")

    def close(self) -> None:
        self.over.set()
        if self.events is not None:
            self.events.close()

    def _listen(self) -> None:
        while not self.over.is_set():
            with suppress(Exception):  # the daemon is gone, and perhaps comes back
                self.events = self.daemon.events(self.pool)
                self._heed(self.events)
            self.over.wait(AGAIN_SECONDS)

    def _heed(self, events: Events) -> None:
        if self.over.is_set():  # whoever closed it did not see these
            events.close()
        for container, what, status in events:
            with self.news:
                if what == "oom":
                    self.told[container] = "ran out of memory"
                else:
                    self.told.setdefault(container, f"exited with status {status}")
                self.news.notify_all()
