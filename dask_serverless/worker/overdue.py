"""Overdue: what is held back is given when its time is up, even while another bundle runs.

Between bundles, a container looks at what it holds with every call. But a bundle may take minutes,
while others wait for what lies here. So a thread of its own gives it, which is gone before the
bundle's own call: nothing is announced twice, and what the machine decides it decides alone.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from math import inf
from time import monotonic
from types import TracebackType

from dask_serverless.worker.work import Work


class Overdue:
    """While a bundle runs; ``give`` is called in the thread."""

    def __init__(self, held: Iterable[Work], give: Callable[[Work], None]) -> None:
        self.due = sorted((work.due, work.attempt.bundle, work) for work in held)
        self.give = give
        self.over = threading.Event()
        self.thread = threading.Thread(
            target=self.live, name="dask-serverless-overdue", daemon=True
        )

    def live(self) -> None:
        for due, _, work in self.due:
            if due == inf or self.over.wait(max(0.0, due - monotonic())):
                return
            self.give(work)

    def __enter__(self) -> None:
        self.thread.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.over.set()
        self.thread.join()
