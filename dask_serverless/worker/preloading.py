"""Preloading: a thread fetches what a later bundle will need while an earlier one still runs.

It looks whether an output is stored, a tenth of the time later that it has waited for it so far at
most: nobody has to tell it, and it asks for next to nothing. It has a connection of its own, and the
worst that can come of it is that a bundle fetches its inputs itself.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from time import monotonic

from dask_serverless.blobs.ahead import Shelf
from dask_serverless.blobs.blobs import Blobs
from dask_serverless.coordination.base import Coordination

LEAST_PAUSE_SECONDS, MOST_PAUSE_SECONDS = 0.005, 0.2
PATIENCE = 0.1  # pause for this share of the time waited so far
AWAY_SECONDS = 1.0  # without the container at work on the run, until the thread ends


@dataclass(frozen=True)
class Side:
    """The run, as a thread of its own reaches it."""

    coordination: Coordination
    blobs: Blobs
    close: Callable[[], None]


class Preloading:
    """Of one run, in one container. The thread lives while there is something to wait for."""

    def __init__(self, open_side: Callable[[], Side]) -> None:
        self.open_side = open_side
        self.shelf = Shelf()
        self.lock = threading.Lock()
        self.wanted: dict[int, float] = {}  # task → since when
        self.thread: threading.Thread | None = None
        self.woken = threading.Event()
        self.away_since: float | None = None
        self.calls = 0  # round trips of the thread

    def ask(self, tasks: Iterable[int]) -> None:
        """These outputs will be needed, wherever they are made."""
        with self.lock:
            self.wanted.update(dict.fromkeys(tasks, monotonic()))
            self.away_since = None
            if self.thread is None and self.wanted:
                self.thread = threading.Thread(
                    target=self.live, name="dask-serverless-preload", daemon=True
                )
                self.thread.start()
        self.woken.set()

    def leave(self) -> None:
        """The container goes; perhaps it is called back in a moment."""
        self.away_since = monotonic()

    def stop(self) -> None:
        """Nobody will ask for any of it."""
        with self.lock:
            self.wanted.clear()
        self.shelf.clear()
        self.woken.set()

    def live(self) -> None:
        try:
            side = self.open_side()
            try:
                while self.go_on():
                    self.look(side)
                    self.woken.wait(self.pause())
                    self.woken.clear()
            finally:
                side.close()
        except Exception:  # whoever needs the inputs meets it as well, and says so
            with self.lock:
                self.wanted.clear()
                self.thread = None

    def go_on(self) -> bool:
        """Whether there is more to come; if not, this thread is no longer the one."""
        away = self.away_since is not None and monotonic() > self.away_since + AWAY_SECONDS
        with self.lock:
            if away:
                self.wanted.clear()
            if not self.wanted:
                self.thread = None
            return bool(self.wanted)

    def pause(self) -> float:
        with self.lock:
            since = max(self.wanted.values(), default=0.0)
        return min(MOST_PAUSE_SECONDS, max(LEAST_PAUSE_SECONDS, PATIENCE * (monotonic() - since)))

    def look(self, side: Side) -> None:
        with self.lock:
            tasks = list(self.wanted)
        references = side.coordination.outputs(tasks)
        self.calls += 1
        for task, reference in zip(tasks, references, strict=True):
            if reference is not None:
                with self.lock:
                    self.wanted.pop(task, None)
                self.fetch(reference, side.blobs)

    def fetch(self, reference: bytes, blobs: Blobs) -> None:
        """One that is somewhere; what comes within the answer needs no fetching."""
        if reference[:1] not in blobs.places or not self.shelf.begin(reference):
            return
        data, begun = None, monotonic()
        try:
            data = blobs.fetch([reference])[reference]
            self.calls += 1
        finally:
            self.shelf.end(reference, data, monotonic() - begun)
