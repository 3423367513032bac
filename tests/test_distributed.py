"""Beside an open client of distributed, which makes itself and its ways Dask's default."""

from __future__ import annotations

import os

import dask
import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
from dask import delayed

from dask_serverless import Serverless
from dask_serverless.errors import FutureInGraph, InputNotPicklable

distributed = pytest.importorskip("distributed")

FRAME = pd.DataFrame({"a": np.arange(60) % 7, "b": np.arange(60), "c": np.arange(60.0)})


@pytest.fixture(scope="module")
def client():
    with distributed.Client(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None
    ) as client:
        yield client


@pytest.fixture
def frame(client):
    pytest.importorskip("pyarrow")
    assert dask.utils.get_default_shuffle_method() == "p2p"
    return dd.from_pandas(FRAME, npartitions=5)


def test_shuffles_and_merges_and_groups(serverless, frame):
    with dask.config.set({"dataframe.convert-string": False}):
        shuffled, merged, indexed, groups = dask.compute(
            frame.shuffle("a"),
            frame.merge(frame.rename(columns={"c": "d"}), on=["a", "b"]),
            frame.set_index("b"),
            frame.groupby("a").b.sum(split_out=3),
            scheduler=serverless,
        )
    assert sorted(shuffled.b) == list(range(60))
    assert (merged.c == merged.d).all() and len(merged) == 60
    assert list(indexed.index) == list(range(60))
    assert groups.to_dict() == FRAME.groupby("a").b.sum().to_dict()


def test_a_rechunk(serverless, client):
    x = da.arange(10_000, chunks=100).reshape(100, 100).rechunk((10, 100))
    with dask.config.set({"array.rechunk.method": "p2p"}):
        y = x.rechunk((100, 10)).sum(axis=0)
    found = y.compute(scheduler=serverless)
    np.testing.assert_array_equal(found, np.arange(10_000).reshape(100, 100).sum(axis=0))


def test_the_context_is_the_default_within_the_clients(client):
    with Serverless(containers=1):
        assert delayed(os.getpid)().compute() != os.getpid()
    assert delayed(os.getpid)().compute() == os.getpid()  # its worker is a thread here


@pytest.fixture(
    params=[
        "submit",
        "argument",
        "map",
        "scatter",
        "persisted array",
        "persisted frame",
        "from_delayed",
    ]
)
def on_the_client(request, client):
    """A collection that holds futures, and what it gives when computed by the client."""
    match request.param:
        case "submit":
            return delayed(sum)([client.submit(sum, [1, 2])]), 3
        case "argument":
            return delayed(lambda x: x + 1)(client.submit(sum, [1, 2])), 4
        case "map":
            return delayed(sum)(client.map(abs, [-1, -2])), 3
        case "scatter":
            return delayed(sum)(client.scatter([1, 2], direct=False)), 3
        case "persisted array":
            return client.persist(da.ones(10, chunks=5)).sum(), 10
        case "persisted frame":
            return client.persist(dd.from_pandas(FRAME, npartitions=3)).b.sum(), 1770
    future = client.submit(np.ones, 5)
    return da.from_delayed(delayed(future), (5,), dtype=float).sum(), 5


def test_a_graph_that_holds_futures(serverless, client, on_the_client):
    collection, expected = on_the_client
    with pytest.raises(FutureInGraph, match="scheduler=client"):
        collection.compute(scheduler=serverless)
    assert collection.compute(scheduler=client) == expected


def test_the_other_ways_out(serverless, client):
    future = client.submit(sum, [1, 2])
    assert delayed(abs)(future.result()).compute(scheduler=serverless) == 3
    assert delayed(sum)(client.gather([future])).compute(scheduler=serverless) == 3
    kept = client.persist(da.ones(10, chunks=5)).compute(scheduler=client)
    assert da.from_array(kept, chunks=5).sum().compute(scheduler=serverless) == 10


def test_futures_and_clients_out_of_sight(serverless, client):
    future = client.submit(sum, [1, 2])
    with pytest.raises(InputNotPicklable, match=r"future\.result\(\)"):
        delayed(lambda: future.result())().compute(scheduler=serverless)
    with pytest.raises(InputNotPicklable, match="open one in the task"):
        delayed(lambda client: client.submit(sum, [1]))(client).compute(scheduler=serverless)
