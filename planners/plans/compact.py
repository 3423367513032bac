"""Compact: integer arrays in JSON, as runs where that is shorter."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from planners.graph.arrays import Ids


def to_compact(values: npt.NDArray[np.integer]) -> dict[str, Any]:
    """Neighbouring tasks mostly share a bundle, and most bundles look alike: a few runs."""
    starts = np.flatnonzero(np.diff(values, prepend=values[:1] - 1))
    if 2 * len(starts) >= len(values):
        return {"values": values.tolist()}
    times = np.diff(starts, append=len(values))
    return {"runs": values[starts].tolist(), "times": times.tolist()}


def from_compact(compact: dict[str, Any]) -> Ids:
    if "values" in compact:
        return np.array(compact["values"], dtype=np.int32)
    if len(compact["runs"]) != len(compact["times"]):
        raise ValueError(f"{len(compact['runs'])} runs, but times for {len(compact['times'])}")
    return np.repeat(np.array(compact["runs"], dtype=np.int32), compact["times"])
