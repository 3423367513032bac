"""Whether two results are the same, as far as the order of additions allows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

TOLERANCE = 1e-9  # relative; graphs are equal, so blocks are added in the same order


def same(one: Any, other: Any) -> bool:
    """Compare nested containers, frames, arrays and scalars by value."""
    if isinstance(one, pd.DataFrame | pd.Series):
        return same_frames(one, other)
    if isinstance(one, list | tuple):
        return type(one) is type(other) and len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, Mapping):
        if not isinstance(other, Mapping) or one.keys() != other.keys():
            return False
        return all(same(one[key], other[key]) for key in one)
    if isinstance(one, np.ndarray | np.generic | float):
        if not isinstance(other, np.ndarray | np.generic | float | int):
            return False
        return np.shape(one) == np.shape(other) and np.allclose(one, other, rtol=TOLERANCE)
    return bool(one == other)


def same_frames(one: pd.DataFrame | pd.Series, other: Any) -> bool:
    """Rows count, their order does not: a shuffle may deliver groups as they come."""
    compare = (
        pd.testing.assert_frame_equal
        if isinstance(one, pd.DataFrame)
        else pd.testing.assert_series_equal
    )
    try:
        compare(one.sort_index(), other.sort_index(), rtol=TOLERANCE)
    except (AssertionError, AttributeError):
        return False
    return True
