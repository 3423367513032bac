"""Every page in a real browser, fed by real runs: numbers, errors, hostile names, replay."""

from __future__ import annotations

import json
import re
import time
import urllib.request
from typing import Any

import pytest
from awaiting import eventually
from browsing import await_column, await_text, column, show, text
from clients import ROOT
from dask import delayed
from dask.delayed import Delayed

from dask_serverless import Serverless
from dask_serverless.dashboard.numbers import in_bytes, in_seconds
from dask_serverless.dashboard.states import State
from dask_serverless.history.opening import open_history

pytest.importorskip("bokeh")

from dask_serverless.dashboard.pages.containers import COLUMNS

MATH = "$$x^2$$"  # Bokeh would like to draw it with scripts that are not there
EVIL = "<script>window.evil=1</script><img src=x onerror=window.evil=2>"


@delayed
def square(n: int) -> int:
    return n * n


@delayed
def pause(n: int) -> int:
    """Long enough to be timed by itself."""
    time.sleep(0.01)
    return n


@delayed
def fragile(n: int) -> int:
    raise ValueError(f"{EVIL} {MATH} {n}")


@pytest.fixture(scope="module")
def good(watched: Serverless) -> Any:
    """What ``last_run`` says of a run that went well."""
    assert delayed(sum)([square(n) for n in range(30)]).compute(scheduler=watched) == 8555
    return watched.last_run


@pytest.fixture(scope="module")
def bad(watched: Serverless, good: Any) -> Any:
    squares = [square(1, dask_key_name=MATH), *(square(n) for n in range(30))]
    evil: Delayed = fragile(delayed(sum)(squares), dask_key_name=EVIL)  # bundles were done before
    with pytest.raises(ValueError, match="script"):
        delayed(sum)([evil, square(2)]).compute(scheduler=watched)
    return watched.last_run


@pytest.mark.parametrize(
    "path",
    [
        "graph",
        "stream",
        "plan",
        "progress",
        "containers",
        "data",
        "errors",
        "logs",
        "history",
        "runs",
        "individual-graph",
    ],
)
def test_every_page_opens(tab: Any, watched: Serverless, good: Any, path: str) -> None:
    show(tab, f"{watched.dashboard_link}{path}?run={good.run}")
    await_text(tab, "heading", good.run) if path != "runs" else await_text(tab, "runs", good.run)


def test_numbers_are_those_of_last_run(tab: Any, watched: Serverless, good: Any) -> None:
    show(tab, f"{watched.dashboard_link}graph?run={good.run}")
    told = await_text(tab, "heading", "done")
    assert f"{good.tasks} / {good.tasks}" in told
    assert f"{good.bundles} / {good.bundles}" in told
    assert started(good) in told
    assert in_seconds(good.makespan_seconds) in told
    assert in_bytes(good.bytes_moved) in told


def test_numbers_agree_on_the_page_in_the_report_in_last_run_and_in_the_history(
    tab: Any, watched: Serverless, tmp_path: Any
) -> None:
    learned = watched.options(history=str(tmp_path / "history"))
    with learned.report(tmp_path / "run.html"):
        delayed(sum)([pause(n) for n in range(6)]).compute(scheduler=learned)
    run = learned.last_run
    show(tab, f"{watched.dashboard_link}graph?run={run.run}")
    page = facts(await_text(tab, "heading", "done"))
    show(tab, (tmp_path / "run.html").as_uri())
    assert facts(text(tab, "heading")) == page
    assert page == {
        "run": run.run,
        "tasks": f"{run.tasks} / {run.tasks}",
        "bundles": f"{run.bundles} / {run.bundles}",
        "containers": started(run),
        "makespan": in_seconds(run.makespan_seconds),
        "moved": in_bytes(run.bytes_moved),
        "cost": f"{run.cost:.7f}",
        "planner": run.plan.planner,
    }
    show(tab, f"{watched.dashboard_link}containers?run={run.run}")
    shown = await_text(tab, "containers", "GB s")
    paid = sum(map(float, re.findall(r"([0-9.]+) GB s", shown)))
    assert paid == pytest.approx(run.paid_gb_seconds, abs=0.001 * len(run.containers))
    rows = open_history(learned.settings).describe()
    assert sum(row.calls for row in rows if row.kind == "function") == run.tasks
    starts = {row.name: row.calls for row in rows if row.kind == "start"}
    assert starts.get("cold", 0) <= run.cold_starts


def started(run: Any) -> str:
    """How many containers, and how these came up, as the heading has it: nothing of what none did."""
    counts = {"cold": run.cold_starts, "warm": run.warm_starts}
    return f"{len(run.containers)} ({', '.join(f'{n} {how}' for how, n in counts.items() if n)})"


def facts(told: str) -> dict[str, str]:
    """What the line above a page says, by name."""
    return dict(re.findall(r"<small>([^<]*)</small> <b>([^<]*)</b>", told))


def test_a_failed_task_turns_red_and_its_traceback_can_be_read(
    tab: Any, watched: Serverless, bad: Any
) -> None:
    show(tab, f"{watched.dashboard_link}graph?run={bad.run}")
    await_column(tab, "tasks", "nodes", "state", f"c.includes({int(State.FAILED)})")
    assert EVIL in column(tab, "tasks", "marks", "key")
    show(tab, f"{watched.dashboard_link}errors?run={bad.run}")
    told = await_text(tab, "errors", "Traceback")
    assert "in fragile" in told and "raise ValueError" in told


def test_numbers_of_a_failed_run_agree_too(tab: Any, watched: Serverless, bad: Any) -> None:
    assert bad.containers and bad.bytes_moved and bad.cost > 0 and bad.makespan_seconds > 0
    show(tab, f"{watched.dashboard_link}containers?run={bad.run}")
    page = facts(await_text(tab, "heading", "makespan"))
    assert page["makespan"] == in_seconds(bad.makespan_seconds)
    used = started(bad)
    assert page["containers"] == used
    assert (page["moved"], page["cost"]) == (in_bytes(bad.bytes_moved), f"{bad.cost:.7f}")
    assert page["bundles"] == f"{bad.done_bundles} / {bad.bundles}"
    rows = cells(await_text(tab, "containers", "GB s"))
    assert {row["container"]: int(row["bundles "]) for row in rows} == {
        name: told["bundles"] for name, told in bad.containers.items()
    }
    assert sum(told["bundles"] for told in bad.containers.values()) == bad.done_bundles
    show(tab, f"{watched.dashboard_link}stream?run={bad.run}")
    await_column(tab, "stream", "bars", "what", "c.length > 0")
    title = tab.evaluate("Bokeh.documents[0].get_model_by_name('stream').title.text")
    assert int(title.split()[0]) == len(bad.containers)


def test_what_a_container_took_is_what_last_run_says_also_of_a_warm_one(
    tab: Any, watched: Serverless
) -> None:
    """The page had all its processor time since it was born."""
    delayed(burn)(0.5).compute(scheduler=watched)
    delayed(sum)([pause(n) for n in range(4)]).compute(scheduler=watched)
    run = watched.last_run
    show(tab, f"{watched.dashboard_link}containers?run={run.run}")
    await_text(tab, "heading", "done")
    rows = cells(await_text(tab, "containers", "GB s"))
    assert {row["container"]: (row["cpu "], row["peak memory "], row["start"]) for row in rows} == {
        name: (in_seconds(told["cpu"]), in_bytes(told["peak"]), "cold" if told["cold"] else "warm")
        for name, told in run.containers.items()
    }
    assert run.cpu_seconds < 0.5


def burn(seconds: float) -> None:
    begun = time.process_time()
    while time.process_time() - begun < seconds:
        sum(range(1000))


def cells(told: str) -> list[dict[str, str]]:
    """The rows of the page of containers."""
    rows = [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in told.split("<tr>")[2:]]
    return [dict(zip(COLUMNS, row, strict=True)) for row in rows]


def test_the_list_of_runs_says_how_each_ended(
    tab: Any, watched: Serverless, good: Any, bad: Any
) -> None:
    show(tab, f"{watched.dashboard_link}runs")
    told = await_text(tab, "runs", "ValueError: &lt;script&gt;")
    rows = {run: row for row in told.split("<tr>") for run in (good.run, bad.run) if run in row}
    assert ">done<" in rows[good.run] and ">failed<" in rows[bad.run]
    assert in_seconds(good.makespan_seconds) in rows[good.run]
    assert ">sum<" in rows[good.run]
    assert f">{good.plan.planner}<" in rows[good.run] and f">{good.cost:.7f}<" in rows[good.run]


def test_a_plan_made_from_numbers_is_shown_beside_what_came_of_it(
    tab: Any, watched: Serverless, tmp_path: Any
) -> None:
    learned = watched.options(planner="uniform", history=str(tmp_path / "history"))
    for _ in range(3):
        delayed(sum)([square(n) for n in range(8)]).compute(scheduler=learned)
    run = learned.last_run
    show(tab, watched.dashboard_link + f"plan?run={run.run}")
    await_column(tab, "planned", "bars", "what", f"c.length == {run.bundles}")
    await_column(tab, "actual", "bars", "what", f"c.length == {run.bundles}")
    assert in_seconds(run.makespan_seconds) in await_text(tab, "plan", "makespan")


def test_the_history_page_shows_what_the_command_tells_and_what_was_predicted(
    tab: Any, watched: Serverless, tmp_path: Any
) -> None:
    path = str(tmp_path / "history")
    learned = watched.options(planner="uniform", history=path)
    for _ in range(3):
        delayed(sum)([pause(n) for n in range(4)]).compute(scheduler=learned)
    open_history(learned.settings).save()
    show(tab, f"{watched.dashboard_link}history?run={learned.last_run.run}")
    told = await_text(tab, "known", path)  # not that of a test before, which knows it, too
    assert "pause" in told
    rows = open_history(learned.settings).describe()
    (row,) = [row for row in rows if "pause" in row.name and row.kind == "function"]
    assert f">{row.calls}<" in told and f">{in_seconds(row.mean_seconds)}<" in told
    predicted = await_text(tab, "functions", "pause")
    assert "measured" in predicted and "%" in predicted


def test_a_plan_without_numbers_says_how_to_get_them(
    tab: Any, watched: Serverless, good: Any
) -> None:
    show(tab, f"{watched.dashboard_link}plan?run={good.run}")
    await_text(tab, "plan", "history=False")


@pytest.mark.parametrize("path", ["graph", "progress", "data", "errors", "stream"])
def test_a_name_is_text_whatever_it_contains(
    tab: Any, watched: Serverless, bad: Any, path: str
) -> None:
    show(tab, f"{watched.dashboard_link}{path}?run={bad.run}")
    await_text(tab, "heading", bad.run)
    assert tab.evaluate("window.evil") is None
    if path == "graph":  # what hovering shows
        tab.wait_for_timeout(300)
        box = tab.evaluate(
            "() => Bokeh.index.roots[0].owner.query_one(v => v.model.name == 'tasks')"
            ".el.getBoundingClientRect().toJSON()"
        )
        for share in (0.25, 0.5, 0.75):
            tab.mouse.move(box["x"] + 0.09 * box["width"], box["y"] + share * box["height"])
        assert tab.evaluate("window.evil") is None


def test_the_slider_shows_an_earlier_moment(tab: Any, watched: Serverless, good: Any) -> None:
    show(tab, f"{watched.dashboard_link}graph?run={good.run}")
    ready = f"c.length == {good.tasks} && c.every(s => s <= {int(State.READY)})"
    await_column(tab, "tasks", "nodes", "state", f"c.includes({int(State.DONE)})")
    tab.evaluate("Bokeh.documents[0].get_model_by_name('replay').value = 0")
    await_column(tab, "tasks", "nodes", "state", ready)
    end = "(() => { const s = Bokeh.documents[0].get_model_by_name('replay'); s.value = s.end })()"
    tab.evaluate(end)
    await_column(tab, "tasks", "nodes", "state", f"c.includes({int(State.DONE)})")


def test_a_run_that_never_existed_is_told_of(tab: Any, watched: Serverless, good: Any) -> None:
    show(tab, f"{watched.dashboard_link}graph?run=deadbeef")
    await_text(tab, "nothing", "nothing of it")


def test_what_others_ask_for(watched: Serverless, good: Any) -> None:
    plots = json.loads(get(watched, "individual-plots.json"))
    assert plots["Graph"] == "/individual-graph"
    assert get(watched, "health") == "ok"
    assert "dask_serverless_store_up 1.0" in get(watched, "metrics")


def test_the_first_scrape_after_a_run_has_its_numbers(watched: Serverless, good: Any) -> None:
    """Where each scrape found another run, none was ever told of."""
    for _ in range(3):
        before = metric(get(watched, "metrics"), "runs")
        delayed(len)("abc").compute(scheduler=watched)
        told = eventually(lambda known=before: scraped(watched, known + 1))
        assert metric(told, "bundles") == metric(told, "bundles_done") == 1


def test_runs_between_two_scrapes_are_counted_by_how_they_ended(
    watched: Serverless, bad: Any
) -> None:
    before = {how: ended(watched, how) for how in ("done", "failed")}
    for _ in range(3):
        delayed(len)("abc").compute(scheduler=watched)
    with pytest.raises(ZeroDivisionError):
        delayed(divmod)(1, 0).compute(scheduler=watched)
    eventually(lambda: ended(watched, "done") == before["done"] + 3)
    eventually(lambda: ended(watched, "failed") == before["failed"] + 1)


def ended(client: Serverless, how: str) -> float:
    return metric(get(client, "metrics"), f'ended_runs_total{{how="{how}"}}')


def scraped(client: Serverless, runs: float) -> str | None:
    told = get(client, "metrics")
    return told if metric(told, "runs") == runs else None


def metric(told: str, name: str) -> float:
    (value,) = re.findall(rf"^dask_serverless_{name} (\S+)$", told, re.MULTILINE)
    return float(value)


def get(client: Serverless, path: str) -> str:
    with urllib.request.urlopen(client.dashboard_link + path, timeout=20) as answer:
        return str(answer.read().decode())


def test_the_grafana_board_asks_for_metrics_that_there_are(watched: Serverless, good: Any) -> None:
    board = json.loads((ROOT / "dask_serverless" / "dashboard" / "grafana.json").read_text())
    asked = {
        name
        for panel in board["panels"]
        for target in panel["targets"]
        for name in re.findall(r"dask_serverless_\w+", target["expr"])
    }
    eventually(lambda: all(f"\n{name}" in get(watched, "metrics") for name in asked))
    assert len(asked) > 8
