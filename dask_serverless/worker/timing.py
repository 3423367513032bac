"""The times of tasks, for Dask's callbacks: told while the bundle runs, or when it is done."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dask_serverless.worker.bundle import Step
from dask_serverless.worker.told import Times


class Timer:
    """Watches a bundle. ``tell`` says whether it has passed on what it was given."""

    def __init__(self, tell: Callable[[Times], bool] | None = None) -> None:
        self.tell = tell
        self.times: list[tuple[int, float, float]] = []  # not told yet

    def task(
        self, steps: Sequence[Step], start: float, end: float, values: Mapping[int, Any]
    ) -> None:
        self.times.append((steps[-1][0], start, end))
        if self.tell is not None and self.tell(self.times):
            self.times = []
