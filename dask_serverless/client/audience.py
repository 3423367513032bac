"""Audience: who looks at the runs of an engine, if anybody does; and what they are told."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

from dask_serverless.blobs.base import LIVE_SECONDS, PRIVATE_LIVE_SECONDS
from dask_serverless.client import forks
from dask_serverless.client.watch import NOBODY, Watch
from dask_serverless.coordination.watched import INDEX
from dask_serverless.errors import StoreError
from dask_serverless.store.link import Link

# Dashboards subscribe to it: who is there is seen without a key. In a cluster each node counts only
# its own subscribers, so that both sides turn to the one that has the list of runs.
CHANNEL = f"ds:watching:{{{INDEX}}}"
AGAIN_SECONDS = 5.0  # between two looks for dashboards of others


class Dashboard(Protocol):
    """What shows the runs of an engine, and ends with it."""

    @property
    def link(self) -> str: ...

    def follow(self, store: str, history: bool | str, shared: bool) -> None:
        """Runs are in this store from now on; what they teach, where these settings say."""

    def close(self) -> None: ...


class Reporting(Protocol):
    """What will be written about runs."""

    def note(self, store: str, run: str) -> None: ...


@dataclass(eq=False)
class Audience:
    dashboard: Dashboard | None = None
    reports: list[Any] = field(default_factory=list)  # of Reporting, that are under way
    shared: bool = False  # whether the store is one that others can look into
    looked: float = -AGAIN_SECONDS  # for others, by the monotonic clock
    others: bool = False

    def watch(self, store: str, link: Link, events: Any, history: bool | str) -> Watch:
        """What one run tells: nothing, where nobody looks."""
        if self.dashboard is not None:
            self.dashboard.follow(store, history, self.shared)
        listed = self.dashboard is not None or self.others_look(link)
        if not (listed or self.reports):
            return NOBODY
        with forks.importing:
            from dask_serverless.client.store_watch import StoreWatch
            from dask_serverless.worker.rhythm import rhythm_of

        live_seconds = LIVE_SECONDS if self.shared else PRIVATE_LIVE_SECONDS
        reports = tuple(self.reports)
        return StoreWatch(link, rhythm_of(events), store, reports, listed, live_seconds)

    def others_look(self, link: Link) -> bool:
        """Whether a dashboard of somebody else reads from this store; asked now and then."""
        if not self.shared:
            return False
        if time.monotonic() - self.looked > AGAIN_SECONDS:
            self.looked = time.monotonic()
            with suppress(StoreError):  # may be forbidden
                self.others = link.call(("PUBSUB", "NUMSUB", CHANNEL))[0][1] > 0
        return self.others

    def close(self) -> None:
        if self.dashboard is not None:
            self.dashboard.close()
