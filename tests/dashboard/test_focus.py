"""Which tasks are shown one by one: on the critical path, picked, found, or failed."""

from __future__ import annotations

import numpy as np
import pytest
from sightings import batch, sighting, structure

from dask_serverless.dashboard.focus import CRITICAL, FAILED, IN_VIEW, SELECTED, Focus
from dask_serverless.dashboard.view import View
from dask_serverless.worker.witness import FAILED as RAISED

# 0 and 1 are inputs of 2; 3 stands alone; 4 takes 2 and 3. Each is a bundle of its own.
INPUTS = [[], [], [0, 1], [], [2, 3]]
LABELS = ["load-1", "load-2", ["sum-9", 0], "slow-7", "total"]


def view() -> View:
    return View(structure(INPUTS, range(5), wanted=[4], labels=LABELS))


def ran(made: View, *began: float) -> View:
    """Tasks by number, each for a second from its time on."""
    for task, at in enumerate(began):
        told = sighting(task, at, tasks={task: (0.0, 1.0)})
        made.series.heed(batch("c", told, number=task))
    return made


@pytest.mark.parametrize(
    ("began", "path"),
    [
        ((0.0, 1.0, 2.0, 0.0, 3.0), [1, 2, 4]),
        ((1.0, 0.0, 2.0, 5.0, 6.0), [3, 4]),
        ((0.0, 1.0, 2.0), [1, 2]),  # it still goes on
        ((), []),
    ],
)
def test_the_critical_path_goes_back_to_whichever_input_came_last(
    began: tuple[float, ...], path: list[int]
) -> None:
    assert ran(view(), *began).critical_path().tolist() == path


def test_of_inputs_that_came_at_once_it_is_the_deepest() -> None:
    made = View(structure([[], [], [0], [1, 2]], [0, 0, 0, 0]))
    made.series.heed(batch("c", sighting(0, 0.0)))
    assert made.critical_path().tolist() == [0, 2, 3]


def test_a_path_is_worked_out_again_when_something_is_new() -> None:
    made = ran(view(), 0.0, 1.0)
    assert made.critical_path().tolist() == [1]
    made.series.heed(batch("c", sighting(2, 2.0, tasks={2: (0.0, 1.0)}), number=2))
    assert made.critical_path().tolist() == [1, 2]


def test_a_very_long_path_is_cut_at_its_beginning() -> None:
    count = 5000
    made = View(structure([[], *[[task] for task in range(count - 1)]], [0] * count))
    made.series.heed(batch("c", sighting(0, 0.0)))
    path = made.critical_path()
    assert path[-1] == count - 1 and len(path) == 2000


def test_focus_names_its_tasks() -> None:
    made = ran(view(), 0.0, 1.0, 2.0, 0.0, 3.0)
    focus = Focus(made)
    assert focus.tasks(made.moment()) is None
    shown = {}
    for focus.mode in (CRITICAL, SELECTED, FAILED):
        shown[focus.mode] = focus.tasks(made.moment()).tolist()
    assert shown == {CRITICAL: [1, 2, 4], SELECTED: [], FAILED: []}


def test_what_is_picked_is_shown_with_its_neighbours() -> None:
    focus = Focus(view())
    focus.mode = SELECTED
    focus.find("sum-9")
    assert focus.selected.tolist() == [2]
    assert focus.tasks(None).tolist() == [0, 1, 2, 4]
    focus.find("load")
    assert focus.selected.tolist() == [0, 1]
    focus.find("")
    assert focus.tasks(None).tolist() == []
    focus.pick_group(int(focus.view.groups.of[3]))
    assert focus.selected.tolist() == [3]
    focus.pick(1.5, 2.5, 0.0, 1.0)  # the last column
    assert focus.selected.tolist() == [4]
    focus.mode = IN_VIEW
    assert focus.tasks(None) is None


def test_failed_tasks_are_those_up_to_the_moment_shown() -> None:
    made = ran(view(), 0.0)
    words = ["raised", {"task": 1}, []]
    made.series.heed(batch("c", sighting(1, 1.0, state=RAISED, failure=words), number=1))
    focus = Focus(made)
    focus.mode = FAILED
    assert focus.tasks(made.moment()).tolist() == [1]
    assert focus.tasks(made.moment(0.5)).tolist() == []
    assert np.array_equal(focus.tasks(None), [])
