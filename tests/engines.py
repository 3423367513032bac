"""Executors that exist, each with two places, for tests of containers on them."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager

import dask
import pytest


@contextmanager
def loky():
    pool = pytest.importorskip("loky").ProcessPoolExecutor(2)
    yield pool
    pool.shutdown(kill_workers=True)


@contextmanager
def cluster(**options):
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(n_workers=2, dashboard_address=":0", **options) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


ENGINES = {
    "threads": lambda: ThreadPoolExecutor(2),
    "processes": lambda: ProcessPoolExecutor(2),
    "loky": loky,
    "distributed": lambda: cluster(threads_per_worker=1),
}


def compute(*values, client, **options):
    return dask.compute(*values, scheduler=client, **options)
