"""How a pool's containers ended, as the daemon tells it: also one that was started again."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import NamedTuple

from dask_serverless.backends.docker.daemon import Daemon, Events

TOLD_SECONDS = 1.0  # after a container's streams have ended, the daemon says how
AGAIN_SECONDS = 0.5  # until a daemon that is gone is asked again
KILLED = "137"  # the exit status of a container whose first process got SIGKILL
# From the kernel's want of memory to the end of a container that it takes with it. Any other process's
# end is told as well, and goes for the whole container's even in `docker inspect` (OOMKilled).
SHORT_SECONDS = 5.0


class Ended(NamedTuple):
    why: str
    out_of_memory: bool = False


class Ends:
    def __init__(self, daemon: Daemon, pool: str) -> None:
        self.daemon = daemon
        self.pool = pool
        self.told: dict[str, Ended] = {}  # by container
        # container → when its memory ran out, by the daemon's clock
        self.short: dict[str, float] = {}
        self.news = threading.Condition()
        self.over = threading.Event()
        self.events: Events | None = None

    def begin(self) -> None:
        threading.Thread(target=self._listen, name="dask-serverless-ends", daemon=True).start()

    def of(self, container: str) -> Ended:
        with self.news:
            self.news.wait_for(lambda: container in self.told, TOLD_SECONDS)
            return self.told.get(container, Ended("ended, and nobody knows how"))

    def outlived(self, container: str) -> None:
        """One of its processes was taken for want of memory, and it has told of that itself."""
        with self.news:
            self.short.pop(container, None)

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
        for container, what, status, at in events:
            with self.news:
                if what == "oom":
                    self.short[container] = at
                else:
                    self.told[container] = self._ended(container, status, at)
                    self.news.notify_all()

    def _ended(self, container: str, status: str, at: float) -> Ended:
        since = at - self.short.pop(container, 0.0)
        if status == KILLED and since < SHORT_SECONDS:
            return Ended("ran out of memory: the kernel killed all of it", True)
        return Ended(f"exited with status {status}")
