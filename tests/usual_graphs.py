"""Graphs that every platform has to carry out, whatever its containers are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dask
import dask.array as da
import dask.bag as db
import dask.dataframe as dd
import numpy as np
import pandas as pd
from dask import delayed


def tree(count: int) -> Any:
    """The sum of so many numbers, by twos."""
    values = [delayed(abs)(-n, pure=False) for n in range(count)]
    while len(values) > 1:
        values = [delayed(sum)(values[i : i + 2]) for i in range(0, len(values), 2)]
    return values[0]


def check_collections(compute: Callable[..., Any]) -> None:
    """An array, a dataframe and a bag in one call, beside what they are without a platform."""
    x = da.random.default_rng(1).random((800, 800), chunks=200)
    frame = pd.DataFrame({"a": np.arange(1000) % 7, "b": np.arange(1000.0)})
    table = dd.from_pandas(frame, npartitions=4)
    bag = db.range(100, npartitions=5).map(lambda n: n % 3).frequencies()
    collections = (x + x.T).sum(axis=0), table.groupby("a").b.mean(), bag
    sums, means, counts = dask.compute(*collections, scheduler="sync")
    found = compute(*collections)
    np.testing.assert_allclose(found[0], sums)
    pd.testing.assert_series_equal(found[1].sort_index(), means.sort_index())
    assert sorted(found[2]) == sorted(counts)
