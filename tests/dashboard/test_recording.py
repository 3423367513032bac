"""Columns that are kept as they were at each moment."""

from __future__ import annotations

import numpy as np
import pytest
from sightings import batch, sighting, structure

from dask_serverless.dashboard.recording import Column, times_of
from dask_serverless.dashboard.view import View


def test_what_stays_the_same_is_kept_once() -> None:
    column, values = Column(), [1, 2]
    for change in (0, 0, 1):
        values[0] += change  # in place, as sources are patched
        column.add(values)
    assert column.values == [[1, 2], [2, 2]] and column.places == [0, 0, 1]


def test_arrays_and_lists_of_arrays_are_compared_by_what_is_in_them() -> None:
    column = Column()
    for shade in (0, 0, 1):
        column.add([np.full((2, 2), shade)])
    assert column.places == [0, 0, 1]


@pytest.mark.parametrize(
    ("tasks", "runs", "moments"), [(1, 1, 60), (1, 3, 20), (1, 20, 12), (100_000, 1, 20)]
)
def test_moments_are_spread_over_the_run_and_fewer_of_more(
    tasks: int, runs: int, moments: int
) -> None:
    view = View(structure([[]] * tasks, [0] * tasks))
    view.series.heed(batch("c1", sighting(0, 1.0, running=2.0)))
    times = times_of(view, runs)
    assert len(times) == moments + 1
    assert (times[0], times[-1]) == (0.0, 3.0)
