"""AWS Lambda as a backend: our handler in AWS's emulator, behind a router that does as AWS does."""

from __future__ import annotations

import time

import dask
import dask.array as da
import dask.bag as db
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
from dask import delayed


def compute(*values, client):
    return dask.compute(*values, scheduler=client)


def tree(count):
    values = [delayed(abs)(-n, pure=False) for n in range(count)]
    while len(values) > 1:
        values = [delayed(sum)(values[i : i + 2]) for i in range(0, len(values), 2)]
    return values[0]


def test_arrays_dataframes_and_bags(client):
    x = da.random.default_rng(1).random((400, 400), chunks=100)
    frame = pd.DataFrame({"a": np.arange(1000) % 7, "b": np.arange(1000.0)})
    table = dd.from_pandas(frame, npartitions=4)
    bag = db.range(100, npartitions=5).map(lambda n: n % 3).frequencies()
    wanted = dask.compute((x + x.T).sum(axis=0), table.groupby("a").b.mean(), bag, scheduler="sync")
    found = compute((x + x.T).sum(axis=0), table.groupby("a").b.mean(), bag, client=client)
    np.testing.assert_allclose(found[0], wanted[0])
    pd.testing.assert_series_equal(found[1].sort_index(), wanted[1].sort_index())
    assert sorted(found[2]) == sorted(wanted[2])


def test_all_containers_that_the_platform_has_take_part(client):
    slow = [delayed(time.sleep)(0.3 + n / 1e6) for n in range(24)]
    compute(*slow, client=client)
    assert len(client.last_run.containers) == 3


def fail():
    raise ValueError("enough")


def test_an_exception_arrives_as_it_was_raised(client):
    with pytest.raises(ValueError, match="enough"):
        compute(delayed(fail)(), client=client)
    assert compute(tree(8), client=client) == (28,)
