"""Both implementations of the coordination, bare and signed, behind one fixture."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dask_serverless.coordination.base import Coordination
from dask_serverless.coordination.memory import MemoryCoordination, MemoryStore
from dask_serverless.coordination.redis import RedisCoordination
from dask_serverless.coordination.signed import SignedCoordination
from dask_serverless.signing.secret import Secret
from dask_serverless.store.connect import open_link

Open = Callable[..., Coordination]


@pytest.fixture(params=["memory", "redis", "signed memory", "signed redis"])
def coordination(request: pytest.FixtureRequest) -> Iterator[Open]:
    """Opens a run for one party: ``coordination(run="run", epoch="epoch")``."""
    signed, _, kind = request.param.rpartition(" ")
    for opened in opening(kind, request):
        yield signing(opened) if signed else opened


def signing(opened: Open) -> Open:
    secret = Secret("of client and containers")

    def open_signed(run: str = "run", epoch: str = "epoch") -> Any:
        return SignedCoordination(opened(run, epoch), secret.signatures(run, epoch))

    return open_signed


def opening(kind: str, request: pytest.FixtureRequest) -> Iterator[Open]:
    if kind == "memory":
        store = MemoryStore()

        def open_memory(run: str = "run", epoch: str = "epoch") -> Any:
            return MemoryCoordination(store, run, epoch)

        yield open_memory
        return
    request.getfixturevalue("link")
    url = request.getfixturevalue("store_url")
    links = []

    def open_redis(run: str = "run", epoch: str = "epoch") -> Any:
        links.append(open_link(url))
        return RedisCoordination(links[-1], run, epoch)

    yield open_redis
    for link in links:
        link.close()
