"""Places: where a platform runs what it is asked for, an idle container, a new one, or later."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from random import Random

from dask_serverless.coordination.base import Whom
from dask_serverless.simulation.model import BackendModel

MANY = 4  # invitations that wait, by containers: more than that are repeated ones


@dataclass(frozen=True)
class Placed:
    """An invitation has found its container."""

    whom: Whom
    container: int
    cold: bool
    start_seconds: float


class Places:
    """Idle containers come first, of them the one that was named, then the last to fall idle."""

    def __init__(self, model: BackendModel) -> None:
        self.model = model
        self.random = Random(model.seed)
        self.born = min(model.warm, model.limit)  # more of them never run
        self.idle: dict[int, float] = dict.fromkeys(range(self.born), 0.0)  # → since when
        self.coming: dict[int, float] = {}  # containers that are started ahead of need → when
        self.running = 0
        self.waiting: deque[Whom] = deque()

    def ask(self, whom: Whom) -> None:
        self.waiting.append(whom)
        if len(self.waiting) > MANY * self.model.limit:
            while len(self.waiting) > self.model.limit:
                self.waiting.pop()  # whoever finishes takes what is ready

    def free(self, container: int, now: float) -> None:
        self.running -= 1
        self.idle[container] = now

    def start_ahead(self, now: float) -> int | None:
        """The number of one more container, which nothing waits for; None if there is no room."""
        if self.running + len(self.idle) + len(self.coming) >= self.model.limit:
            return None
        self.born += 1
        self.coming[self.born - 1] = now + self.model.draw_cold_start(self.random)
        return self.born - 1

    def came(self, number: int) -> None:
        if (moment := self.coming.pop(number, None)) is not None:  # else it has been given work
            self.idle[number] = moment

    def place(self, now: float) -> list[Placed]:
        """All that can be placed by now."""
        placed = []
        while self.waiting and self.running < self.model.limit:
            self.running += 1
            placed.append(self._placed(self.waiting.popleft(), now))
        return placed

    def _placed(self, whom: Whom, now: float) -> Placed:
        if (container := self._warm(whom.container, now)) is not None:
            return Placed(whom, container, False, self.model.warm_start)
        if self.coming:
            container = min(self.coming, key=self.coming.__getitem__)
            return Placed(whom, container, True, max(self.coming.pop(container) - now, 0.0))
        self.born += 1
        return Placed(whom, self.born - 1, True, self.model.draw_cold_start(self.random))

    def _warm(self, name: str, now: float) -> int | None:
        while self.idle:
            named = int(name) if name and int(name) in self.idle else None
            container = next(reversed(self.idle)) if named is None else named
            if now - self.idle.pop(container) < self.model.keep_alive:
                return container
            if named is None:
                self.idle.clear()  # the last to fall idle is gone by now: so are the others
        return None
