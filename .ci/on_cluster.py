"""The exam's scheduler on a Dask cluster that is there already: ``on_cluster:serverless``."""

from __future__ import annotations

from distributed import Client, LocalCluster

from dask_serverless import Serverless


def serverless() -> Serverless:
    cluster = LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0")
    client = Client(cluster, set_as_default=False)  # Dask's default stays what it is
    return Serverless(backend=client.get_executor())
