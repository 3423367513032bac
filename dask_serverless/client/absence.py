"""Absence: a run for which nobody works. Platforms may take invitations, or refuse them, for ever."""

from __future__ import annotations

import time
import warnings
from math import isinf
from typing import TYPE_CHECKING, Any

from dask_serverless.errors import ContainersAbsent

if TYPE_CHECKING:
    from dask_serverless.backends.asked import Start
    from dask_serverless.coordination.base import Condition

WARN_SHARE, WARN_SECONDS = 0.25, 20.0  # of the whole wait, and at most


class Absence:
    """Of one run's containers, where the backend can only ask for them."""

    def __init__(self, backend: Any, run: str) -> None:
        self.backend = backend
        self.run = run
        self.done = 0  # bundles, at the last look
        self.since: float | None = None  # when nobody was seen at work
        self.warned = False

    def look(self, condition: Condition) -> None:
        """Nobody at work may be between two bundles; so it is for long only if nothing gets done."""
        start = getattr(self.backend, "starting", None)  # None: it knows how its containers are
        if start is None or condition.working or condition.done > self.done:
            self.done, self.since = condition.done, None
            return
        now = time.monotonic()
        if self.since is None:
            self.since = now
        waited = now - self.since
        if waited >= start.seconds:
            raise ContainersAbsent(int(waited), self.backend.standing(self.run), start.setting)
        if waited >= min(WARN_SHARE * start.seconds, WARN_SECONDS) and not self.warned:
            self.warned = True
            warnings.warn(
                f"No container has come for {waited:.0f} s: {self.backend.standing(self.run)}. "
                f"{patience(start)}",
                stacklevel=2,
            )


def patience(start: Start) -> str:
    if isinf(start.seconds):
        return "They are waited for as long as it takes; Ctrl-C ends the run."
    return f"They are waited for until {start.seconds:g} s are over ({start.setting})."
