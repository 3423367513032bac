"""The graph page in a real browser, while a real run goes on."""

from __future__ import annotations

import threading
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from browsing import await_column, column, show, zoom_in
from dask import delayed

from dask_serverless import Serverless
from dask_serverless.dashboard.states import COLOURS, State

MOST_NODES = 3000  # that are shown one by one


@delayed
def begin(n: int) -> int:
    return n


@delayed
def gate(n: int, path: str) -> int:
    """Goes on when the file is there."""
    import time
    from pathlib import Path

    while not Path(path).exists():
        time.sleep(0.01)
    return n


@delayed
def fails(words: str) -> int:
    raise ValueError(f"not a number: {words}")


def test_nodes_change_colour_while_a_run_goes_on(
    tab: Any, watched: Serverless, tmp_path: Path
) -> None:
    path = tmp_path / "go"
    total = delayed(sum)([gate(begin(n), str(path)) for n in range(4)])
    results: list[int] = []
    run = threading.Thread(target=lambda: results.append(total.compute(scheduler=watched)))
    run.start()
    try:
        show(tab, watched.dashboard_link + "graph")
        running = f"c.includes({int(State.RUNNING)})"
        await_column(tab, "tasks", "nodes", "state", f"c.length == 9 && {running}")
        await_column(tab, "overview", "bars", "colour", f"c.includes('{COLOURS[State.RUNNING]}')")
    finally:
        path.touch()
        run.join()
    assert results == [6]
    done = f"c[c.length - 1] == {int(State.DONE)} && !{running}"
    await_column(tab, "tasks", "nodes", "state", done)
    await_column(tab, "overview", "boxes", "told", "c.every(told => told.match(/(\\d+) of \\1$/))")
    keys = column(tab, "tasks", "nodes", "key")
    assert sum(key.startswith("gate-") for key in keys) == 4
    assert set(column(tab, "overview", "boxes", "name")) == {"begin", "gate", "sum"}


def test_zooming_into_many_tasks_shows_single_ones(tab: Any, watched: Serverless) -> None:
    tasks = 2 * MOST_NODES
    graph = {f"x-{n}": (abs, n) for n in range(tasks)} | {
        "all": (len, [f"x-{n}" for n in range(tasks)])
    }
    assert watched(graph, "all") == tasks
    show(tab, f"{watched.dashboard_link}graph?run={watched.last_run.run}")
    await_column(tab, "tasks", "raster", "image", "c.length == 1")
    assert column(tab, "tasks", "nodes", "state") == []
    zoom_in(tab)
    await_column(tab, "tasks", "nodes", "state", f"0 < c.length && c.length <= {MOST_NODES}")
    await_column(tab, "tasks", "raster", "image", "c.length == 0")
    assert column(tab, "tasks", "nodes", "key")[0].startswith("x-")


def test_zooming_does_not_end_where_no_task_is(tab: Any, watched: Serverless) -> None:
    """The pointer stands between two levels, and the wheel goes on and on."""
    leaves = {f"x-{n}": (abs, n) for n in range(2 * MOST_NODES)}
    graph = {**leaves, **{f"y-{n}": (abs, f"x-{n}") for n in range(2 * MOST_NODES)}}
    watched({**graph, "all": (len, [key for key in graph if key[0] == "y"])}, "all")
    show(tab, f"{watched.dashboard_link}graph?run={watched.last_run.run}")
    await_column(tab, "tasks", "raster", "image", "c.length == 1")
    tab.mouse.move(*tab.evaluate(PLACE, [0.45, 0.62]))
    for _ in range(30):
        tab.mouse.wheel(0, -400)
    await_column(tab, "tasks", "nodes", "key", "0 < c.length && c.length < 12")
    start, end = tab.evaluate(WIDE)
    assert end - start > 1
    edges = column(tab, "tasks", "edges", "x0")
    assert len(edges) >= len(column(tab, "tasks", "nodes", "key")) / 2


NARROW, ORDINARY = 420, 1280


@pytest.mark.parametrize("width", [NARROW, ORDINARY])
def test_all_prefixes_fit_into_the_width_of_the_window(
    tab: Any, watched: Serverless, width: int
) -> None:
    names = [f"a_{name}_step" for name in ("first", "second", "third", "fourth", "fifth", "sixth")]
    graph: dict[str, Any] = {f"{names[0]}-1": (abs, 1)}
    for before, name in pairwise(names):
        graph[f"{name}-1"] = (abs, f"{before}-1")
    watched({**graph, "all": (abs, f"{names[-1]}-1")}, "all")
    tab.set_viewport_size({"width": width, "height": 900})
    show(tab, f"{watched.dashboard_link}graph?run={watched.last_run.run}")
    await_column(tab, "overview", "boxes", "told", "c.every(told => told == '1 of 1')")
    assert tab.evaluate("document.documentElement.scrollWidth") == width
    shown = column(tab, "overview", "boxes", "name")
    full = [*names, "all"]
    assert (shown == full) is (width == ORDINARY)
    assert all(len(name) <= len(whole) for name, whole in zip(shown, full, strict=True))


def test_a_hover_has_the_state_and_no_rows_of_what_is_not_known(
    tab: Any, watched: Serverless
) -> None:
    with pytest.raises(ValueError, match="not a number"):
        fails("x" * 90).compute(scheduler=watched)
    show(tab, f"{watched.dashboard_link}graph?run={watched.last_run.run}")
    await_column(tab, "tasks", "marks", "raised", "c.length == 1 && c[0].endsWith(' s')")
    tab.mouse.move(*tab.evaluate(PLACE, [0, 0.5]))
    rows = tab.locator(".tip").first.locator("tr")
    rows.filter(has_text="raised").wait_for()
    assert rows.filter(has_text="state").inner_text().split() == ["state", "failed"]
    assert not rows.filter(has_text="output").is_visible()
    name = rows.filter(has_text="container").locator("th").bounding_box()
    assert name["height"] < 2 * 14  # one line, however long the error is


def test_the_critical_path_is_drawn_and_can_be_shown_alone(tab: Any, watched: Serverless) -> None:
    total = delayed(sum)([begin(begin(n)) for n in range(5)])
    assert total.compute(scheduler=watched, optimize_graph=False) == 10
    show(tab, f"{watched.dashboard_link}graph?run={watched.last_run.run}")
    await_column(tab, "tasks", "path", "x", "c.join() == '0,1,2'")
    tab.get_by_role("button", name="critical path").click()
    await_column(tab, "tasks", "nodes", "key", "c.length == 3")
    tab.get_by_role("button", name="in view").click()
    await_column(tab, "tasks", "nodes", "key", f"c.length == {watched.last_run.tasks}")


def test_a_task_that_is_hovered_over_clicked_at_or_found_is_told_of(
    tab: Any, watched: Serverless
) -> None:
    total = delayed(sum)([begin(n, dask_key_name=f"begin-{n}") for n in range(5)])
    assert total.compute(scheduler=watched, optimize_graph=False) == 10
    show(tab, f"{watched.dashboard_link}graph?run={watched.last_run.run}")
    await_column(tab, "tasks", "nodes", "key", f"c.length == {watched.last_run.tasks}")
    field = tab.get_by_placeholder("find keys")
    field.fill("begin-3")
    field.press("Enter")
    await_column(tab, "tasks", "nodes", "key", "c.length == 2")  # and what takes from it
    tab.wait_for_function(f"() => ({TEXT})('selected').includes('1 selected')")
    field.fill("")
    field.press("Enter")
    await_column(tab, "tasks", "nodes", "key", f"c.length == {watched.last_run.tasks}")
    x, y, keys = (column(tab, "tasks", "nodes", name) for name in ("x", "y", "key"))
    place = keys.index("begin-2")
    where = tab.evaluate(PLACE, [x[place], y[place]])
    tab.mouse.move(*where)
    tab.get_by_text("begin-2", exact=True).wait_for()  # where one hovers
    tab.get_by_text("begin-3", exact=True).wait_for(state="hidden")
    tab.mouse.click(*where)
    tab.wait_for_function(f"() => ({TEXT})('selected').includes('begin-2')")
    assert "begin-3" not in tab.evaluate(f"({TEXT})('selected')")


TEXT = "(name) => Bokeh.documents[0].get_model_by_name(name)?.text ?? ''"
PLACE = """([x, y]) => {
  const find = (view) => view.model.name == 'tasks' ? view
    : [...(view.child_views ?? [])].map(find).find(found => found)
  const view = find(Object.values(Bokeh.index)[0] ?? Bokeh.index.roots[0])
  const box = view.el.getBoundingClientRect()
  return [box.x + view.frame.x_scale.compute(x), box.y + view.frame.y_scale.compute(y)]
}"""
WIDE = """() => {
  const {start, end} = Bokeh.documents[0].get_model_by_name("tasks").x_range
  return [start, end]
}"""
