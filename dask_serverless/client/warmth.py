"""Which containers have worked lately, so that they are there and idle when the next run begins."""

from __future__ import annotations

import time
from collections.abc import Iterable

NEARLY = 0.9  # of the time after which idle ones end: better cold by forecast than in fact


class Warmth:
    """Of one backend, by what its runs have told; any thread may use it."""

    def __init__(self, idle_seconds: float) -> None:
        self.idle_seconds = idle_seconds
        self.worked: dict[str, float] = {}  # container → when it was heard of

    def heard(self, containers: Iterable[str]) -> None:
        self.worked.update(dict.fromkeys(containers, time.monotonic()))

    def count(self) -> int:
        since = time.monotonic() - NEARLY * self.idle_seconds
        gone = [name for name, at in list(self.worked.items()) if at < since]
        for name in gone:
            self.worked.pop(name, None)
        return len(self.worked)
