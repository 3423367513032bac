"""The graph page in a real browser, while a real run goes on."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

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
