"""Fetching ahead: the two threads in which a container fetches what a later bundle will need.

They do as the worker's ``Preloading`` and ``Streaming`` do, each over a connection of its own, where
downloads come one after another.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from dask_serverless.worker.preloading import (
    AWAY_SECONDS,
    LEAST_PAUSE_SECONDS,
    MOST_PAUSE_SECONDS,
    PATIENCE,
)
from dask_serverless.worker.streaming import MOST_BYTES
from planners.numbers.predictions import Line

Part = tuple[int, int]  # of a task's output


class Around(Protocol):
    """The world, as a thread needs it."""

    now: float
    half_trip: float
    download: Line
    bytes_down: float

    def later(self, at: float, happen: Callable[[Any], None], what: Any) -> None: ...

    def serve(self) -> None: ...

    def is_there(self, task: int) -> bool: ...

    def size_of(self, task: int) -> float: ...

    @property
    def over(self) -> bool: ...


class Preloader:
    """Looks for whole outputs, each time after a share of the time that it has waited so far."""

    def __init__(self, around: Around) -> None:
        self.around = around
        self.wanted: dict[int, float] = {}  # task → since when
        self.queue: deque[int] = deque()  # of those that are there
        self.here: dict[int, float] = {}  # task → when it was, or will be
        self.woken = self.working = False
        self.look_number = 0  # of the next one: others were put off
        self.away_since: float | None = None

    def ask(self, tasks: Iterable[int]) -> None:
        self.wanted.update(dict.fromkeys(tasks, self.around.now))
        self.away_since, self.woken = None, True
        if not self.working:
            self.look_in(0.0)

    def look_in(self, seconds: float) -> None:
        around = self.around
        self.look_number += 1
        self.woken = False
        around.later(around.now + seconds + around.half_trip, self.look, self.look_number)

    def look(self, number: int) -> None:
        around = self.around
        if number != self.look_number:
            return
        around.serve()
        away = self.away_since is not None and around.now > self.away_since + AWAY_SECONDS
        if away or around.over:
            self.wanted.clear()
        found = [task for task in self.wanted if around.is_there(task)]
        for task in found:
            del self.wanted[task]
        self.queue += found
        self.working = True
        around.later(around.now + around.half_trip, self.fetch_next, None)

    def fetch_next(self, _: None) -> None:
        around = self.around
        if self.queue:
            task = self.queue.popleft()
            size = around.size_of(task)
            around.bytes_down += size
            self.here[task] = end = around.now + around.download.at(size)
            around.later(end, self.fetch_next, None)
            return
        self.working = False
        if self.wanted:
            waited = around.now - max(self.wanted.values())
            pause = min(MOST_PAUSE_SECONDS, max(LEAST_PAUSE_SECONDS, PATIENCE * waited))
            self.look_in(0.0 if self.woken else pause)

    def take(self, task: int) -> tuple[float, float]:
        """Bytes that are here or under way, and until when; nobody begins with others any more."""
        self.wanted.pop(task, None)
        if task in self.queue:
            self.queue.remove(task)
        if (end := self.here.pop(task, None)) is None:
            return 0.0, 0.0
        return self.around.size_of(task), end

    def leave(self) -> None:
        self.away_since = self.around.now


class Streamer:
    """Is told of parts as they are stored, and fetches together what came meanwhile."""

    def __init__(self, around: Around) -> None:
        self.around = around
        self.wanted: set[int] = set()
        self.told: dict[Part, float] = {}  # stored and not begun with → bytes
        self.here: dict[Part, tuple[float, float]] = {}  # → bytes, and when it was or will be
        self.working = False

    def ask(self, tasks: Iterable[int]) -> None:
        self.wanted |= {*tasks}

    def tell(self, part: Part, nbytes: float) -> None:
        """It is stored by now."""
        if part[0] not in self.wanted or part in self.here:
            return
        self.told[part] = nbytes
        if not self.working:
            self.working = True
            self.around.later(self.around.now + self.around.half_trip, self.fetch, None)

    def fetch(self, _: None) -> None:
        """The read has been answered."""
        around = self.around
        room = MOST_BYTES - sum(nbytes for nbytes, _ in self.here.values())
        new = {}
        for part, nbytes in self.told.items():
            if nbytes <= room:
                new[part] = nbytes
                room -= nbytes
        self.told = {part: nbytes for part, nbytes in self.told.items() if part not in new}
        if not new:
            self.working = False
            return
        total = sum(new.values())
        around.bytes_down += total
        end = around.now + around.download.at(total)
        self.here.update({part: (nbytes, end) for part, nbytes in new.items()})
        around.later(end, self.again, None)

    def again(self, _: None) -> None:
        """Reads once more, and waits if there is nothing new."""
        around = self.around
        around.serve()
        self.working = bool(self.told)
        if self.working:
            around.later(around.now + 2 * around.half_trip, self.fetch, None)

    def take(self, task: int) -> tuple[float, float]:
        """Bytes that are here or under way, and until when; the others are whoever's that takes it."""
        self.wanted.discard(task)
        self.told = {part: nbytes for part, nbytes in self.told.items() if part[0] != task}
        mine = [self.here.pop(part) for part in list(self.here) if part[0] == task]
        return sum(nbytes for nbytes, _ in mine), max((end for _, end in mine), default=0.0)
