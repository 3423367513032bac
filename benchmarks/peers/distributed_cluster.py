"""distributed: a local cluster with a single-threaded worker process for each container."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def start(containers: int) -> Iterator[Any]:
    from distributed import Client, LocalCluster

    cluster = LocalCluster(
        n_workers=containers,
        threads_per_worker=1,
        processes=True,
        dashboard_address=None,
        silence_logs="ERROR",
    )
    with cluster, Client(cluster, set_as_default=False) as client:
        client.wait_for_workers(containers)
        yield client
