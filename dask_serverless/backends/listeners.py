"""Listeners: who is to hear of a run's containers while it is under way, and of its end."""

from __future__ import annotations

from collections.abc import Callable

from dask_serverless.backends.base import Gone, Loss
from dask_serverless.coordination.base import ANSWER_MS
from dask_serverless.errors import ContainersClosed, ServerlessError


class Listeners:
    """What backends have in common; any thread may tell."""

    answer_seconds = ANSWER_MS / 1000

    def __init__(self) -> None:
        self.watched: dict[str, Gone] = {}  # by run
        self.stopping: dict[str, Callable[[], None]] = {}  # runs whose containers are to leave

    def watch(self, run: str, gone: Gone) -> None:
        self.watched[run] = gone

    def tell(self, loss: Loss, run: str = "") -> None:
        """Whoever watches this run, or any."""
        for watched, gone in list(self.watched.items()):
            if run in ("", watched):
                gone(loss)

    def outage(self) -> ServerlessError | None:
        """Most platforms do not come between containers and their owner."""
        return None

    def tell_of_close(self) -> None:
        """While runs of other threads may be under way."""
        self.tell(Loss("", "its containers were closed", error=ContainersClosed()))

    def settle(self, *runs: str) -> None:
        """No container works on these any more: whoever stopped them hears of it, once."""
        for run in runs:
            if settled := self.stopping.pop(run, None):
                settled()
