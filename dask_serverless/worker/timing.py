"""The times of tasks, for Dask's callbacks: told while the bundle runs, or when it is done."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dask_serverless.worker.bundle import Step
from dask_serverless.worker.told import Times

PROGRESS_SECONDS = 0.1


class Timer:
    """Watches a bundle. ``tell`` is called at a bounded rate, if there is one."""

    def __init__(self, tell: Callable[[Times], None] | None = None) -> None:
        self.tell = tell
        self.told_at = 0.0
        self.times: list[tuple[int, float, float]] = []  # not told yet

    def task(
        self, steps: Sequence[Step], start: float, end: float, values: Mapping[int, Any]
    ) -> bool:
        self.times.append((steps[-1][0], start, end))
        if self.tell is not None and end >= self.told_at + PROGRESS_SECONDS:
            self.told_at = end
            self.tell(self.times)
            self.times = []
        return True
