"""What containers did over time, as bars: also bundles that failed, and those under way."""

from __future__ import annotations

from typing import Any

import pytest
from sightings import batch, sighting, structure

from dask_serverless.dashboard.lanes import KINDS, bars, lanes_of
from dask_serverless.dashboard.view import View
from dask_serverless.worker.witness import FAILED, UNDER_WAY

WORDS = ["raised", {"task": 1}, [["ValueError", "builtins", "no number", []]]]
WIDE = (-10.0, 10.0)


def of_kind(view: View, colour: str) -> list[tuple[float, float, str]]:
    drawn: Any = bars(view, lanes_of(view.series), WIDE)
    columns = zip(drawn["left"], drawn["right"], drawn["what"], drawn["colour"], strict=True)
    return [(left, right, what) for left, right, what, shade in columns if shade == colour]


@pytest.fixture
def view() -> View:
    """Two bundles of a task each, of which the first is done."""
    view = View(structure([[], []], [0, 1], labels=["a-1", "b-1"]))
    view.series.heed(batch("c1", sighting(0, 0.0, fetching=0.25, running=0.5, storing=0.25)))
    return view


def test_a_bundle_under_way_runs_and_nobody_says_that_it_fetches(view: View) -> None:
    view.series.heed(batch("c1", sighting(1, 1.0, state=UNDER_WAY, running=2.0), number=1))
    assert of_kind(view, KINDS["run"])[-1] == (1.0, 3.0, "bundle 1")
    assert of_kind(view, KINDS["fetch"]) == [(0.0, 0.25, "fetch for bundle 0")]


def test_a_failed_bundle_ends_where_its_task_raised_and_is_marked(view: View) -> None:
    failed = sighting(1, 1.0, state=FAILED, running=0.0, fetching=0.5, failure=WORDS)
    view.series.heed(batch("c1", failed, number=1))
    view.series.heed_end({"at": 1010.0, "losses": (), "error": "ValueError: no number"})
    assert of_kind(view, KINDS["run"])[-1] == (1.0, 1.5, "bundle 1")
    ((left, _, what),) = of_kind(view, KINDS["failed or lost"])
    assert (left, what) == (1.5, "b-1 raised ValueError: no number")
