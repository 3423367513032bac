"""Both implementations of the coordination, behind one fixture."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dask_serverless.coordination.base import Coordination
from dask_serverless.coordination.memory import MemoryCoordination, MemoryStore
from dask_serverless.coordination.redis import RedisCoordination
from dask_serverless.store.connect import open_link

Open = Callable[..., Coordination]


@pytest.fixture(params=["memory", "redis"])
def coordination(request: pytest.FixtureRequest) -> Iterator[Open]:
    """Opens a run for one party: ``coordination(run="run", epoch="epoch")``."""
    if request.param == "memory":
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
