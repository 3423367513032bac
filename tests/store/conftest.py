"""Real servers for the store's tests: configured oddly, encrypted, or joined into a cluster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from store_servers import Servers, settled, until

from dask_serverless.store.address import parse
from dask_serverless.store.link import Link


@pytest.fixture
def url(start_server: Servers) -> str:
    """An ordinary server."""
    return start_server()


@pytest.fixture(scope="session")
def cluster_urls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """Three masters, each with a third of the slots, that know one another."""
    with ExitStack() as stack:
        start = Servers(tmp_path_factory.mktemp("cluster"), stack)
        urls = [start("--cluster-enabled", "yes") for _ in range(3)]
        links = [stack.enter_context(Link(parse(each))) for each in urls]
        bounds = [0, 5461, 10923, 16384]
        for link, first, end in zip(links, bounds, bounds[1:], strict=False):
            link.call(("CLUSTER", "ADDSLOTS", *range(first, end)))
            link.call(("CLUSTER", "MEET", links[0].address.host, links[0].address.port))
        until(lambda: all(settled(link) for link in links))
        yield urls
