"""What pages say of containers and plans, now and as clients tell at the end: moves, sizes, savings."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sightings import batch, sighting, structure

from dask_serverless.client.replanned import DividedBundle, MovedBundle, ResizedRun
from dask_serverless.worker.witness import UNDER_WAY

pytest.importorskip("bokeh")

from dask_serverless.dashboard.numbers import numbers
from dask_serverless.dashboard.pages.containers import COLUMNS, Containers
from dask_serverless.dashboard.pages.data import DataPlane
from dask_serverless.dashboard.pages.plan import PlanPage
from dask_serverless.dashboard.view import View

PLANNED = {
    "begun": np.array([0.0, 0.0]), "finished": np.array([1.0, 1.0]),
    "container": np.array([0, 1]), "path": [0], "makespan": 1.0,
}  # fmt: skip
REPORTED = {
    "bundles": 1, "fetch": 0.0, "run": 2.0, "store": 0.0, "cold": False, "since": 0.0,
    "until": 2.5, "cpu": 1.25, "peak": 3_000_000,
}  # fmt: skip
OVER = {
    "at": 1004.0, "error": "", "losses": (), "makespan_seconds": 3.0, "phases": {"plan": 0.125},
}  # fmt: skip


def view(**over: Any) -> View:
    shape = structure([[], []], [0, 1], wanted=[0, 1], labels=["a", "b"])
    view = View(replace(shape, timeline=PLANNED))
    view.series.heed(batch("c1", sighting(0, 0.0), sighting(1, 1.0)))
    view.series.heed_end({**OVER, **over})
    return view


def test_bundles_that_were_moved_stand_beside_the_plan() -> None:
    move = MovedBundle(1, 1, 7, "c1<b>", 1.5, 0.75, "nobody had the slot")
    page = PlanPage(view(moves=[move]), None)
    page.update(None)
    assert "Moved while the run went on" in page.told.text
    assert ">1.500 s<" in page.told.text and ">750 ms<" in page.told.text
    assert "nobody had the slot" in page.told.text
    assert ">7<" in page.told.text and "c1&lt;b&gt;" in page.told.text
    assert page.timelines.actual.y_range.start == 1  # both are where they ran


def test_a_bundle_that_was_divided_stands_on_each_container_that_had_a_part() -> None:
    """The bundle of both tasks: the first stayed with c1."""
    shape = structure([[], []], [0, 0], labels=["a", "b"])
    planned = {
        **PLANNED,
        **{name: PLANNED[name][:1] for name in ("begun", "finished", "container")},
    }
    divided = View(replace(shape, timeline=planned))
    divided.series.heed(batch("c1", sighting(0, 0.0, part=(0,))))
    divided.series.heed(batch("c2", sighting(0, 1.0, part=(1,))))
    divided.series.heed_end({**OVER, "splits": [DividedBundle(1, 0, 2, "c1<b>", 0.25)]})
    page = PlanPage(divided, None)
    page.update(None)
    assert "Divided while the run went on" in page.told.text and "c1&lt;b&gt;" in page.told.text
    assert ">250 ms<" in page.told.text
    assert list(page.timelines.source.data["what"]) == ["bundle 0", "bundle 0"]
    assert page.timelines.actual.y_range.start == 2


@pytest.mark.parametrize("planned", [PLANNED, {}])
def test_sizes_that_were_changed_stand_beside_the_plan_with_when_and_why(planned: Any) -> None:
    resizes = [
        ResizedRun(1, 2048, 1024, 1.5, "3 bundles were done, and 9 should have been by 1.250 s"),
        ResizedRun(2, 1024, 2048, float("nan"), "no larger container had come by 2.500 s"),
    ]
    shown = View(replace(view().structure, timeline=planned))
    shown.series.heed_end({**OVER, "resizes": [list(each) for each in resizes]})
    page = PlanPage(shown, None)
    page.update(None)
    _, _, told = page.told.text.partition("Given containers of another size while the run went on")
    first, second = told.partition("</table>")[0].split("<tr>")[2:]
    assert first.index(">1,024 MiB<") < first.index(">2,048 MiB<") < first.index(">1.500 s<")
    assert "3 bundles were done, and 9 should have been by 1.250 s" in first
    assert second.index(">2,048 MiB<") < second.index(">1,024 MiB<")
    assert "no larger container had come" in second and "nan" not in second


def test_a_plan_that_was_followed_has_nothing_to_show_of_that() -> None:
    page = PlanPage(view(moves=[], splits=[], resizes=[]), None)
    page.update(None)
    assert "while the run went on" not in page.told.text
    assert "plan </th>" in page.told.text and "125 ms" in page.told.text
    assert "+2.000 s" in page.told.text


def test_a_run_that_is_not_over_or_was_cut_short_is_not_early_by_what_it_has_not_done() -> None:
    page = PlanPage(View(view().structure), None)
    page.update(None)
    assert "makespan" in page.told.text and "−1.000 s" not in page.told.text
    cut = view(error="KeyboardInterrupt", makespan_seconds=0.0)
    page = PlanPage(cut, None)
    page.update(None)
    (row,) = [row for row in page.told.text.split("<tr>") if ">makespan<" in row]
    assert "1.000 s" in row and "0 µs" not in row and "−" not in row


def test_containers_that_were_at_their_first_bundle_when_a_run_was_cut_short_are_counted() -> None:
    """The heading told of none and of no cost, above a table of two and what was paid for them."""
    cut = View(view().structure)
    for name in ("c1", "c2"):
        cut.series.heed(batch(name, sighting(0, 0.0, state=UNDER_WAY)))
    cut.series.heed(batch("c3"))  # came, and found nothing to do
    cut.series.heed_end({**OVER, "error": "KeyboardInterrupt", "makespan_seconds": 0.0})
    told = numbers(cut.series)
    assert (told.containers, told.warm_starts) == (2, 2) and told.cost > 0


def test_a_plan_that_lasts_longer_than_its_corrected_makespan_is_shown_to_its_end() -> None:
    shape = replace(view().structure, timeline={**PLANNED, "finished": np.array([1.0, 9.0])})
    page = PlanPage(View(shape), None)
    page.update(None)
    assert page.timelines.actual.x_range.end >= 9.0


def test_lanes_bear_the_names_of_containers_and_those_after_one_another_share_one() -> None:
    """A plan of 2 containers at a time had 8 rows, and nobody knew why."""
    shape = structure([[]] * 5, [0, 1, 2, 3, 4])
    planned = {
        **PLANNED, "begun": np.array([0.0, 0.0, 1.0, 2.0, 2.0]),
        "finished": np.array([1.0, 2.0, 2.0, 3.0, 3.0]), "container": np.array([0, 1, 0, 2, 3]),
    }  # fmt: skip
    shown = View(replace(shape, timeline=planned))
    shown.series.heed(batch("c7", *[sighting(n, 1.0 * n) for n in range(5)]))
    page = PlanPage(shown, None)
    page.update(None)
    both = page.timelines
    assert both.planned.title.text == "As planned: 4 containers, 2 at a time"
    assert list(both.planned.yaxis.major_label_overrides.values()) == [
        "containers 1, 3", "containers 2, 4",
    ]  # fmt: skip
    assert both.planned_source.data["what"][3] == "bundle 3 on container 3"
    assert both.actual.title.text == "As it went: 1 container"
    assert list(both.actual.yaxis.major_label_overrides.values()) == ["c7"]


def test_what_would_be_a_sliver_in_the_scale_of_its_plan_has_its_own() -> None:
    planned = {**PLANNED, "finished": np.array([390.0, 1.0])}
    shown = View(replace(structure([[], []], [0, 1]), timeline=planned))
    shown.series.heed(batch("c1", sighting(0, 0.0), sighting(1, 1.0)))
    page = PlanPage(shown, None)
    page.update(None)
    assert page.timelines.actual.x_range is page.timelines.planned.x_range  # it may still come
    shown.series.heed_end(OVER)
    page.update(None)
    assert page.timelines.planned.x_range.end >= 390.0
    assert 2.0 < page.timelines.actual.x_range.end < 10.0
    assert "scale of its own" in page.timelines.actual.title.text


def test_a_plan_that_rests_on_guesses_says_so_first() -> None:
    predicted = {
        "names": ["inc"], "functions": np.array([0, 0]), "seconds": np.array([0.01]),
        "samples": np.array([0]), "known": [False],
    }  # fmt: skip
    page = PlanPage(View(replace(view().structure, predicted=predicted)), None)
    page.update(None)
    notice = page.root.children[0]
    assert "1 of 1 functions, with 2 of 2 tasks, were never measured" in notice.text
    assert page.root.children[-1] is page.told


def test_bundles_that_took_longer_are_told_by_their_last_tasks() -> None:
    page = PlanPage(view(), None)
    page.update(None)
    _, _, told = page.told.text.partition("Where the difference arose")
    rows = told.partition("</table>")[0].split("<tr>")[2:]
    assert [">0<" in row and ">a<" in row for row in rows] == [True, False]
    assert [">1<" in row and ">b<" in row for row in rows] == [False, True]


def test_containers_of_several_sizes_are_told_apart() -> None:
    account = {**REPORTED, "cold": True, "until": 2.0, "memory_mb": 3072}
    page = Containers(view(containers={"c1": account}, cost=0.5), None)
    page.update(None)
    assert "3,072 MiB" in page.table.text and "6.000 GB s" in page.table.text


def test_a_container_is_not_idle_while_it_has_a_bundle() -> None:
    going = View(structure([[], [], []], [0, 1, 2], labels=["a", "b", "c"]))
    going.series.heed(batch("c1", sighting(0, 1.0)))  # arrives at 0.5 s
    going.series.heed_working({1: "c1"}, 2.25)
    going.series.heed(batch("c2", sighting(2, 0.5, running=5.0)))
    page = Containers(going, None)
    page.update(None)
    assert "4.250 s" in page.table.text  # running
    assert cell(page, "c1", "idle ") == "250 ms"  # before the second, and not before the first
    going.series.heed_end(OVER)
    page.update(None)
    assert "1.000 s" in page.table.text  # what was not told of is not known


def test_what_a_container_did_for_another_run_is_no_idle_time_of_this_one() -> None:
    """Two runs at once take turns on it."""
    shared = View(structure([[], []], [0, 1]))
    shared.series.heed(batch("c1", sighting(0, 1.0, running=0.5)))
    shared.series.heed(batch("c1", sighting(1, 9.25, running=0.5), number=1, arrived=9.0))
    page = Containers(shared, None)
    page.update(None)
    assert cell(page, "c1", "idle ") == "250 ms"  # it came back at 9 s for what began at 9.25 s


def test_a_container_whose_first_bundle_is_not_done_is_not_called_idle() -> None:
    busy = View(structure([[], []], [0, 1]))
    busy.series.heed(batch("c1", sighting(0, 1.0, state=UNDER_WAY, tasks={0: (0.0, 0.5)})))
    page = Containers(busy, None)
    page.update(None)
    assert cell(page, "c1", "idle ") == ""


def test_once_the_client_has_reported_containers_are_told_of_as_it_does() -> None:
    """Of one that was lost, or at its first bundle when the run failed, only the client knows."""
    other = {**REPORTED, "bundles": 0, "run": 0.0, "cold": True, "cpu": 0.5}
    page = Containers(view(containers={"c1": REPORTED, "c9": other}, cost=0.5), None)
    page.update(None)
    told = [cell(page, "c1", name) for name in ("bundles ", "running ", "idle ", "cpu ")]
    assert told == ["1", "2.000 s", "500 ms", "1.250 s"]
    assert cell(page, "c1", "peak memory ") == "2.86 MiB"
    told = [cell(page, "c9", name) for name in ("start", "bundles ", "idle ", "cpu ")]
    assert told == ["cold", "0", "", "500 ms"]


def cell(page: Containers, container: str, column: str) -> str:
    (row,) = [row for row in page.table.text.split("<tr>") if f">{container}<" in row]
    return re.findall(r"<td[^>]*>(.*?)</td>", row)[COLUMNS.index(column)]


def test_what_each_optimization_saved_is_told_by_plan_and_by_what_came() -> None:
    saved = {"clustering": (3, 1.5, 0.25, "transfers"), "prewarm": (1, 2.0, None, "")}
    page = DataPlane(view(saved=saved, bytes_kept=2_000_000, client_calls=4), None)
    page.update(None)
    assert "1.500 s" in page.table.text and "250 ms" in page.table.text
    assert "prewarm" in page.table.text
    assert "1.91 MiB" in page.summary.text
