"""Streaming: a thread fetches parts of an output while whoever makes it still stores the others.

One read waits for parts of all outputs that are wanted here, over a connection of its own. What it
has fetched is used only where the output that is announced has these very parts; else, and whatever
else happens, a bundle fetches its inputs itself.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from time import monotonic

from dask_serverless.blobs.ahead import Shelf
from dask_serverless.blobs.parted import Parted, parted_in
from dask_serverless.coordination.parts import FROM_THE_START, Part
from dask_serverless.worker.preloading import Side

WAIT_SECONDS = 0.5  # for parts, before it looks whether anybody still waits
AWAY_SECONDS = 1.0  # without the container at work on the run, until the thread ends
MOST_BYTES = 1 << 30  # of parts that nobody has taken yet


class Streaming:
    """Of one run, in one container. The thread lives while there is something to wait for."""

    def __init__(self, run: str, shelf: Shelf, open_side: Callable[[], Side]) -> None:
        self.run = run
        self.shelf = shelf
        self.open_side = open_side
        self.lock = threading.Lock()
        self.wanted: dict[int, dict[str, int]] = {}  # task → its parts that are here, with bytes
        self.thread: threading.Thread | None = None
        self.last = FROM_THE_START
        self.away_since: float | None = None
        self.calls = 0  # round trips of the thread

    def ask(self, tasks: Iterable[int]) -> None:
        """These outputs will be needed here; some of their parts may have been told of before."""
        with self.lock:
            for task in tasks:
                self.wanted.setdefault(task, {})
            self.last = FROM_THE_START
            self.away_since = None
            if self.thread is None and self.wanted:
                self.thread = threading.Thread(
                    target=self.live, name="dask-serverless-streaming", daemon=True
                )
                self.thread.start()

    def took(self, tasks: Iterable[int]) -> None:
        """These are here: what is left are parts of attempts that came to nothing."""
        with self.lock:
            self.forget(tasks)

    def forget(self, tasks: Iterable[int]) -> None:
        for task in tasks:
            self.shelf.drop([key.encode() for key in self.wanted.pop(task, ())])

    def leave(self) -> None:
        """The container goes; perhaps it is called back in a moment."""
        self.away_since = monotonic()

    def stop(self) -> None:
        """Nobody will ask for any of it."""
        with self.lock:
            self.forget(list(self.wanted))

    def live(self) -> None:
        try:
            side = self.open_side()
            try:
                place = parted_in(side.blobs)
                while place is not None and self.go_on():
                    self.look(side, place)
            finally:
                side.close()
        except Exception:  # whoever needs the inputs meets it as well, and says so
            with self.lock:
                self.forget(list(self.wanted))
                self.thread = None

    def go_on(self) -> bool:
        """Whether there is more to come; if not, this thread is no longer the one."""
        away = self.away_since is not None and monotonic() > self.away_since + AWAY_SECONDS
        with self.lock:
            if away:
                self.forget(list(self.wanted))
            if not self.wanted:
                self.thread = None
            return bool(self.wanted)

    def look(self, side: Side, place: Parted) -> None:
        with self.lock:
            last = self.last
        told = side.coordination.parts(last, WAIT_SECONDS)
        self.calls += 1
        with self.lock:
            if self.last == last:  # else more has been asked for
                self.last = told.last
        if new := self.noted(place, told.parts):
            self.fetch(place, new)

    def noted(self, place: Parted, parts: Sequence[Part]) -> list[Part]:
        """Those that are wanted. Where they are was not signed: elsewhere nothing is read."""
        folder, new = f"{place.prefix}{self.run}/", []
        with self.lock:
            here = sum(sum(mine.values()) for mine in self.wanted.values())
            for part in parts:
                mine = self.wanted.get(part.task)
                if mine is None or part.key in mine or not part.key.startswith(folder):
                    continue
                if here + part.nbytes <= MOST_BYTES and self.shelf.begin(part.key.encode()):
                    mine[part.key] = part.nbytes
                    here += part.nbytes
                    new.append(part)
        return new

    def fetch(self, place: Parted, parts: Sequence[Part]) -> None:
        """What is there: parts of an attempt that was lost may be gone by now."""
        found: list[bytes | None] = [None] * len(parts)
        begun = monotonic()
        try:
            found = place.fetched([part.key for part in parts])
            self.calls += 1
        finally:
            seconds = (monotonic() - begun) / len(parts)
            for part, data in zip(parts, found, strict=True):
                self.shelf.end(part.key.encode(), data, seconds)
            with self.lock:  # somebody may have taken the output meanwhile
                left = [part for part in parts if part.task not in self.wanted]
                self.shelf.drop([part.key.encode() for part in left])
