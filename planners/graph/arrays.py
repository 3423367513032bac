"""Small array idioms that the planners share: rows of variable length, kept as CSR."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.int32]
Offsets = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


def offsets_from_counts(counts: npt.NDArray[np.integer]) -> Offsets:
    """Where each row starts, and at the end where the last one stops."""
    offsets = np.empty(len(counts) + 1, dtype=np.int64)
    offsets[0] = 0
    np.cumsum(counts, out=offsets[1:])
    return offsets


def places_in(order: Ids) -> Ids:
    """Id → its place in ``order``, which lists every id once."""
    places = np.empty(len(order), dtype=np.int32)
    places[order] = np.arange(len(order), dtype=np.int32)
    return places


def unique_pairs(
    rows: npt.NDArray[np.integer], values: npt.NDArray[np.integer], width: int
) -> tuple[Ids, Ids]:
    """Each (row, value) once, ordered by row and then value; values are below ``width``."""
    width = max(width, 1)
    keys = rows.astype(np.int64) * width + values
    if len(keys) > 1:
        steps = keys[1:] - keys[:-1]
        smallest = steps.min()
        if smallest < 0:
            keys.sort()
            steps = keys[1:] - keys[:-1]
            smallest = steps.min()
        if smallest == 0:
            keys = keys[np.concatenate(([True], steps > 0))]
    unique_rows, unique_values = np.divmod(keys, width)
    return unique_rows.astype(np.int32), unique_values.astype(np.int32)


def gather_rows(offsets: Offsets, values: Ids, rows: Ids) -> tuple[Offsets, Ids]:
    """The given rows in the given order, as CSR."""
    starts = offsets[rows]
    counts = offsets[1:][rows] - starts
    new_offsets = offsets_from_counts(counts)
    places = np.repeat(starts - new_offsets[:-1], counts)
    places += np.arange(len(places))
    return new_offsets, values[places]


def sums(rows: Ids, values: Floats | Bytes, count: int) -> Floats:
    """The values added up by row."""
    return np.asarray(np.bincount(rows, values, count), dtype=np.float64)
