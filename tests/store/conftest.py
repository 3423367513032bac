"""Real servers for the store's tests: configured oddly, encrypted, or joined into a cluster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from store_servers import Servers, cluster


@pytest.fixture
def url(start_server: Servers) -> str:
    """An ordinary server."""
    return start_server()


@pytest.fixture(scope="session")
def cluster_urls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """Three masters, each with a third of the slots, that know one another."""
    with ExitStack() as stack:
        yield cluster(Servers(tmp_path_factory.mktemp("cluster"), stack))
