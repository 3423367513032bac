"""Dataframe graphs: tasks of some ten milliseconds; shuffles, where everything needs everything."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import dask.dataframe as dd
import numpy as np
import pandas as pd

from benchmarks.graphs.table import graph

ROWS = 50_000  # of one partition


def partition(number: int, seed: int, salt: str, rows: int = ROWS) -> pd.DataFrame:
    """A partition's rows; the salt changes its key and nothing else."""
    rng = np.random.default_rng([seed, number])
    columns = {
        "id": rng.integers(0, 500_000, rows),
        "name": rng.integers(0, 200, rows),
        "x": rng.random(rows),
        "y": rng.random(rows),
    }
    return pd.DataFrame(columns)


def frame(seed: int, partitions: int) -> dd.DataFrame:
    """Dask remembers the divisions that ``set_index`` finds by key: hence a salt for each peer."""
    return dd.from_map(
        partition,
        range(partitions),
        seed=seed,
        salt=uuid4().hex,
        meta=partition(0, 0, "", rows=0),
        enforce_metadata=False,
    )


@graph("dataframe")
def groupby(seed: int) -> dd.DataFrame:
    return frame(seed, 30).groupby("name")[["x", "y"]].agg(["mean", "std"])


@graph("dataframe")
def merge(seed: int) -> dd.Series:
    left, right = frame(seed, 20), frame(seed + 1_000_000, 20)
    return left.merge(right, on="id").groupby("name_x").y_y.mean()


@graph("dataframe")
def set_index(seed: int) -> Any:
    """Two computes: Dask first looks for the divisions, on the scheduler that is the default.

    A total, because Dask samples: where the divisions lie depends on the salt.
    """
    return frame(seed, 30).set_index("id").x.sum()
