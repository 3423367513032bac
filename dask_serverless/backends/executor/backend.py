"""Containers on an executor: anything that has ``submit(function, *args)``.

One submitted call is one container: it answers invitations until there have been none for long. The
executor stays its owner's: it is never shut down here.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from math import inf
from typing import Any

from dask_serverless.backends.asked import Start
from dask_serverless.backends.executor.calls import Calls, Surroundings
from dask_serverless.backends.executor.engines import (
    executor_of,
    on_this_host,
    places_of,
    underlying,
)
from dask_serverless.backends.listeners import Listeners
from dask_serverless.errors import SettingsError, StoreError
from dask_serverless.signing.secret import Secret
from dask_serverless.worker.invitation import Invitation

IN_A_QUEUE = Start(setting="", seconds=inf)


class ExecutorBackend(Listeners):
    def __init__(
        self,
        given: Any,
        containers: int | None,
        *,
        idle_seconds: float = 60.0,
        lease_seconds: float = 15.0,
        secret: Secret | None = None,
    ) -> None:
        super().__init__()
        self.executor = executor_of(given)
        self.containers = how_many(self.executor, containers)
        self.same_host = on_this_host(self.executor)
        self.idle_seconds = idle_seconds
        self.lease_seconds = lease_seconds
        self.secret = secret
        self.lock = threading.RLock()
        self.calls: Calls | None = None  # none before the first invitation
        self.closed = False
        _backends.add(self)

    @property
    def starting(self) -> Start | None:
        """A queue may be long, and says nothing of calls that it has lost."""
        return IN_A_QUEUE if self.standing("") else None

    def standing(self, run: str) -> str:
        return self.calls.standing if self.calls is not None else ""

    def start(self) -> None:
        """A container needs a store to begin with: the first invitation says where it is."""
        self.closed = False

    def invoke(self, invitation: Invitation, count: int = 1) -> None:
        with self.lock:
            if self.closed:  # while a run of another thread is under way: it hears of that
                return
            calls = self.calls_at(invitation.store)
        calls.invite(invitation, count)

    def calls_at(self, store: str) -> Calls:
        """Those of this store; the ones of a private server that was killed are over."""
        if self.calls is not None and self.calls.around.store != store:
            self.calls.close()
            self.calls = None
        if self.calls is None:
            self.calls = Calls(
                Surroundings(
                    self.executor,
                    store,
                    self.containers,
                    self.idle_seconds,
                    self.lease_seconds,
                    tell=self.tell,
                    stopping=lambda: list(self.stopping),
                    left=self.settle,
                    make_way=self.make_way,
                    secret=self.secret,
                )
            )
        return self.calls

    def keep_modules(self, store: str) -> None:
        if (calls := self.calls) is not None and calls.around.store == store:
            calls.keep_modules()

    def make_way(self, count: int) -> None:
        """What is idle of another object of this process would keep its place for long."""
        for other in list(_backends):
            same = underlying(other.executor) is underlying(self.executor)
            if other is not self and same and (calls := other.calls) is not None:
                calls.dismiss(count)

    def stop(self, run: str, settled: Callable[[], None]) -> None:
        self.stopping[run] = settled
        calls = self.calls
        try:
            if calls is not None and not self.closed:
                calls.stop(run)
                return
        except StoreError:  # gone, and the run with it
            pass
        self.settle(run)

    def forget(self, run: str) -> None:
        self.watched.pop(run, None)
        if (calls := self.calls) is not None:
            calls.forget(run)

    def close(self) -> None:
        with self.lock:
            self.closed = True
            calls, self.calls = self.calls, None
        self.tell_of_close()
        if calls is not None:
            calls.close()
        self.settle(*list(self.stopping))


def how_many(executor: Any, wanted: int | None) -> int:
    places = places_of(executor)
    if wanted is None and places is None:
        raise SettingsError(
            "containers",
            f"must be given with {type(executor).__name__}, which does not say how many calls it "
            "runs at once.",
        )
    return wanted or places or 1


_backends: weakref.WeakSet[ExecutorBackend] = weakref.WeakSet()


def _close_all() -> None:
    for backend in list(_backends):
        with suppress(Exception):
            backend.close()


# Python waits for the threads of executors before it comes to ``atexit``: our calls would keep them.
threading._register_atexit(_close_all)  # type: ignore[attr-defined]
