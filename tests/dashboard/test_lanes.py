"""What containers did over time, as bars: also bundles that failed, and those under way."""

from __future__ import annotations

from typing import Any

import pytest
from sightings import batch, lost, sighting, structure

from dask_serverless.dashboard.lanes import KINDS, LOST, TASK_COLOURS, bars, lanes_of, marks
from dask_serverless.dashboard.moments import states_at
from dask_serverless.dashboard.states import State
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
    failed_run = of_kind(view, KINDS["run that failed or was lost"])
    assert failed_run == [(1.0, 1.5, "bundle 1, which failed")]
    assert (1.0, 1.5) not in [each[:2] for each in of_kind(view, KINDS["run"])]
    told = marks(view)
    assert (told["x"], told["top"], told["colour"]) == ([1.5], [0], [KINDS[LOST]])
    assert told["what"] == ["b-1 raised ValueError: no number"]


def test_an_attempt_that_was_lost_is_drawn_from_its_start_to_its_loss_as_lost(view: View) -> None:
    """Afterwards there was a blank where it had run."""
    known = lost("c1", 1, 3.0, since=1.5)
    view.series.heed(batch("c2", sighting(1, 4.0)))
    view.series.heed_end({"at": 1010.0, "losses": (known,), "error": ""})
    in_vain = of_kind(view, KINDS["run that failed or was lost"])
    assert in_vain == [(1.5, 3.0, "bundle 1, which was lost")]
    assert (4.0, 5.0, "bundle 1") in of_kind(view, KINDS["run"])
    drawn = lanes_of(view.series)
    assert drawn.lane[drawn.lost].tolist() == [0] and not drawn.told[drawn.lost].any()
    states = [states_at(view.series, at)[1] for at in (1.0, 2.0, 3.5)]
    assert states == [State.READY, State.RUNNING, State.RETRIED]


def test_of_a_loss_without_a_start_there_is_the_mark_alone(view: View) -> None:
    view.series.heed_losses([lost("c1", 1, 3.0)])
    assert of_kind(view, KINDS["run that failed or was lost"]) == []
    assert marks(view)["x"] == [3.0]


@pytest.mark.parametrize(("asked", "begin"), [(-5.0, 0.0), (-0.02, -0.02), (0.5, 0.0)])
def test_what_is_shown_begins_with_the_run_not_with_containers_that_were_there_before(
    view: View, asked: float, begin: float
) -> None:
    (container,) = view.series.containers.values()
    container.asked, container.arrived = asked, asked + 0.01
    assert min(lanes_of(view.series).begin, 0.0) == begin


def test_a_start_that_the_run_waited_for_is_shown_from_its_begin(view: View) -> None:
    (container,) = view.series.containers.values()
    container.asked, container.arrived = -3.0, 0.5
    assert lanes_of(view.series).begin == -3.0


def test_the_legend_has_what_is_drawn_and_nothing_else() -> None:
    pytest.importorskip("bokeh")
    from dask_serverless.dashboard.pages.stream import meanings

    told = meanings({KINDS["fetch"], TASK_COLOURS[1]}, ["load", "clean", "sum"])
    assert told == [(KINDS["fetch"], "fetch"), (TASK_COLOURS[1], "clean")]


def test_parts_of_a_bundle_stand_where_they_ran_with_their_tasks() -> None:
    view = View(structure([[], []], [0, 0], labels=["a-1", "a-2"]))
    kept = sighting(0, 0.0, part=(0,), tasks={0: (0.0, 1.0)})
    view.series.heed(batch("c1", kept))
    view.series.heed(batch("c2", sighting(0, 2.0, part=(1,), storing=0.5, tasks={1: (0.0, 1.0)})))
    drawn = lanes_of(view.series)
    assert list(zip(drawn.lane, drawn.claimed, drawn.finished, strict=True)) == [
        (0, 0, 1),
        (1, 2, 3.5),
    ]
    assert of_kind(view, KINDS["store"]) == [(3.0, 3.5, "store of part of bundle 0")]
    assert places(view) == [(0, 0.0, "a-1"), (1, 2.0, "a-2")]


def test_a_copy_of_a_task_stands_where_it_ran_and_says_what_it_is() -> None:
    view = View(structure([[], [0]], [0, 1], labels=["a-1", "a-2"]))
    view.series.heed(batch("c1", sighting(0, 0.0, tasks={0: (0.0, 1.0)})))
    view.series.heed(batch("c2", sighting(1, 2.0, tasks={0: (0.0, 0.5), 1: (0.5, 1.0)})))
    once_more = "a-1, once more for bundle 1"
    assert places(view) == [(0, 0.0, "a-1"), (1, 2.5, "a-2"), (1, 2.0, once_more)]


def places(view: View) -> list[tuple[int, float, str]]:
    """Container, begin and name of the bars of tasks."""
    drawn: Any = bars(view, lanes_of(view.series), WIDE)
    columns = zip(drawn["top"], drawn["left"], drawn["what"], drawn["colour"], strict=True)
    return [
        (int(top), left, what) for top, left, what, shade in columns if shade == TASK_COLOURS[0]
    ]
