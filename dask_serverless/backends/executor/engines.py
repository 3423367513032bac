"""What is known of an executor: how many calls it runs at once, and whether they run on this host."""

from __future__ import annotations

import os
import sys
import weakref
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Protocol

from dask_serverless.errors import SettingsError

LOCAL = {"inproc", "tcp://127", "tls://127", "tcp://[::1]", "tls://[::1]"}  # how addresses begin
LOKY = ("loky.", "joblib.externals.loky.")


_owners: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()


class Executor(Protocol):
    def submit(self, function: Any, /, *arguments: Any) -> Any:
        """A future of what the function returns."""


def executor_of(backend: Any) -> Executor:
    """What has ``submit(function, *args)``; a client of distributed has more than that."""
    check_owner(backend)
    client = client_of(backend)
    if client is None or client is not backend:
        executor: Executor = backend
        return executor
    if client.asynchronous:
        raise SettingsError(
            "backend", "is a client made with asynchronous=True; pass one made without."
        )
    executor = client.get_executor(pure=False)
    return executor


def check_owner(executor: Any) -> None:
    """An executor that a fork inherits has lost its threads, and would wait for them for ever."""
    with suppress(TypeError):  # it cannot be remembered without being kept
        if _owners.setdefault(executor, os.getpid()) != os.getpid():
            raise SettingsError(
                "backend",
                f"is a {named(executor)} of the process that this one was forked from; make one "
                "here, and a Serverless object with it.",
            )


def client_of(executor: Any) -> Any:
    """The client of distributed that this is, or that it submits through, if any."""
    if "distributed" not in sys.modules:
        return None
    import distributed

    if isinstance(executor, distributed.Client):
        return executor
    client = getattr(executor, "_client", None)
    return client if isinstance(client, distributed.Client) else None


def places_of(executor: Any) -> int | None:
    """How many calls run at once, where the executor says so."""
    client = client_of(executor)
    if client is not None:
        return sum(client.nthreads().values()) or None
    told = getattr(executor, "_max_workers", None)
    return told if isinstance(told, int) and told > 0 else None


def on_this_host(executor: Any) -> bool:
    """Whether that is certain: then large outputs go through files in shared memory."""
    client = client_of(executor)
    if client is not None:
        address = client.scheduler_info()["address"]  # nobody else can reach such a scheduler
        return any(address.startswith(begin) for begin in LOCAL)
    kind = type(executor)
    if kind in (ThreadPoolExecutor, ProcessPoolExecutor):
        return True
    return any(kind.__module__.startswith(name) for name in LOKY)


def underlying(executor: Any) -> Any:
    """What several executors may submit to."""
    client = client_of(executor)
    return executor if client is None else client


def named(executor: Any) -> str:
    return type(executor).__name__
