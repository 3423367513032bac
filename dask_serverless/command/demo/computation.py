"""What the demo computes: an array of temperatures, and a dataframe of taxi trips."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import dask.array as da
import numpy as np

TOLERANCE = 1e-9  # relative: blocks may be added in another order
ZONES = 250
DATAFRAME_NEEDS = ("pandas", "pyarrow")


@dataclass(frozen=True)
class Size:
    days: int
    places: int
    chunk: int  # days and places of one block
    partitions: int
    trips: int  # in one partition


SIZES = {
    "small": Size(days=1000, places=1000, chunk=250, partitions=8, trips=20_000),
    "medium": Size(days=3000, places=3000, chunk=300, partitions=24, trips=80_000),
    "large": Size(days=12_000, places=8000, chunk=800, partitions=60, trips=500_000),
}


def missing() -> list[str]:
    """Packages that the dataframe part needs and this machine lacks."""
    return [name for name in DATAFRAME_NEEDS if find_spec(name) is None]


def parts(size: Size, seed: int) -> dict[str, Any]:
    """The parts by name; another seed gives other data, under keys that nobody has seen."""
    collections = {"array": heat_days(size, seed)}
    if not missing():
        collections["dataframe"] = fares(size, seed)
    return collections


def described(size: Size) -> dict[str, str]:
    """What the parts do, for people."""
    days, places = f"{size.days:,} days", f"{size.places:,} places"
    return {
        "array": f"temperatures of {days} at {places}: hot days of each place",
        "dataframe": f"{size.partitions * size.trips:,} taxi trips: fares and tips by zone",
    }


def heat_days(size: Size, seed: int) -> da.Array:
    """For each place, the share of days that are unusually hot there."""
    temperature = da.random.default_rng(seed).normal(
        15, 8, (size.days, size.places), chunks=size.chunk
    )
    anomaly = temperature - temperature.mean(axis=0)
    return (anomaly / anomaly.std(axis=0) > 2).mean(axis=0)


def fares(size: Size, seed: int) -> Any:
    """Mean and spread of fares and tips by zone, of trips that are not too short."""
    import dask.dataframe as dd

    trips = dd.from_map(
        trips_of,
        range(size.partitions),
        seed=seed,
        rows=size.trips,
        meta=trips_of(0, seed, 0),
        enforce_metadata=False,
    )
    trips = trips[trips.miles > 0.5].assign(share=trips.tip / trips.fare)
    return trips.groupby("zone")[["fare", "tip", "share"]].agg(["mean", "std"])


def trips_of(partition: int, seed: int, rows: int) -> Any:
    """The trips of one partition."""
    import pandas as pd

    rng = np.random.default_rng([seed, partition])
    miles = rng.gamma(2.0, 1.5, rows)
    fare = 3.0 + 2.5 * miles + rng.random(rows)
    columns = {
        "zone": rng.integers(0, ZONES, rows),
        "miles": miles,
        "fare": fare,
        "tip": fare * rng.beta(2.0, 8.0, rows),
    }
    return pd.DataFrame(columns)


def differing(expected: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """The parts whose results are not the same."""
    return [name for name in expected if not same(expected[name], found.get(name))]


def same(expected: Any, found: Any) -> bool:
    if isinstance(expected, np.ndarray):
        return np.shape(found) == expected.shape and np.allclose(found, expected, rtol=TOLERANCE)
    if type(found) is not type(expected):
        return False
    import pandas as pd

    try:
        pd.testing.assert_frame_equal(found.sort_index(), expected.sort_index(), rtol=TOLERANCE)
    except AssertionError:
        return False
    return True
