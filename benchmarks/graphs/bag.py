"""Bag graphs: pure Python on every item."""

from __future__ import annotations

from operator import add

import dask.bag as db

from benchmarks.graphs.table import graph


def scatter(number: int) -> int:
    """A number that looks random (Knuth's multiplicative hash)."""
    return number * 2_654_435_761 % 2**32


def group(number: int) -> int:
    return number % 1000


@graph("dataframe")
def foldby(seed: int) -> db.Bag:
    numbers = db.range(1_000_000, npartitions=32).map(add, seed).map(scatter)
    return numbers.foldby(group, add, 0, add, 0)
