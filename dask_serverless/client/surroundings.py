"""What a run uses of the ``Serverless`` object that it belongs to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from dask_serverless.backends.base import Backend
from dask_serverless.blobs.blobs import Blobs
from dask_serverless.blobs.storage import Storage
from dask_serverless.client.hearing import Show
from dask_serverless.client.planning import Planning
from dask_serverless.client.retries import Retries
from dask_serverless.client.watch import NOBODY, Watch
from dask_serverless.coordination.base import Coordination
from dask_serverless.history.history import History
from dask_serverless.store.link import Link
from dask_serverless.worker.access import PLAIN, Access


@dataclass(frozen=True)
class Surroundings:
    """Settings, and what the object has started."""

    backend: Backend
    link: Link  # this thread's
    side: Callable[[], Link]  # another one, for the thread that hears of lost containers
    store: str = field(repr=False)  # URL, as containers reach it; with its password
    storage: Storage
    endings: dict[str, Any]  # of runs that have left a trace, by their ids
    planning: Planning
    lease_seconds: float
    attempts: int
    result_limit: int | None
    retries: Retries | None = None  # how often which tasks may be tried again
    show: Show | None = None  # what tasks print; None: nobody wants to see it
    watch: Watch = NOBODY  # what is told to whoever looks at the run
    access: Access = PLAIN  # to the store, as containers have it

    def coordination(self, link: Link, run: str, epoch: str) -> Coordination:
        return self.access.coordination(link, run, epoch)

    def blobs(self, link: Link, run: str, epoch: str) -> Blobs:
        return self.access.blobs(link, run, epoch, self.storage)

    @property
    def containers(self) -> int:
        """How many may work on the run."""
        return self.planning.containers

    @property
    def history(self) -> History | None:
        """What the run teaches."""
        return self.planning.history
