"""A report is one file that a browser opens without a server and without a network."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from browsing import await_column, column, show, text, zoom_in
from dask import delayed

from dask_serverless import Serverless
from dask_serverless.dashboard.focus import CRITICAL, FAILED, IN_VIEW
from dask_serverless.dashboard.pages.tasks import MOST_NODES
from dask_serverless.dashboard.states import State
from dask_serverless.errors import ReportUnwritten, SettingsError
from dask_serverless.store.connect import open_link

pytest.importorskip("bokeh")


@delayed
def triple(n: int) -> int:
    print("triples", n)
    if n < 0:
        raise ValueError("<b>negative</b>")
    return 3 * n


@pytest.fixture
def nothing_left(store_url: str) -> Iterator[None]:
    yield
    with open_link(store_url) as link:
        assert link.call(("KEYS", "ds:*watched*"), ("KEYS", "ds:*structure")) == [[], []]


@contextmanager
def shown_offline(tab: Any, serverless: Serverless, path: Path) -> Iterator[None]:
    """The report of what is computed meanwhile, in a browser without a network."""
    with serverless.report(path):
        yield
    tab.context.set_offline(True)
    show(tab, path.as_uri())


def test_a_report_shows_the_run_offline(
    tab: Any, serverless: Serverless, tmp_path: Path, nothing_left: None
) -> None:
    with shown_offline(tab, serverless, tmp_path / "run.html"):
        delayed(sum)([triple(n) for n in range(12)]).compute(scheduler=serverless)
    assert "13 / 13" in text(tab, "heading")
    assert len(column(tab, "tasks", "nodes", "state")) == 13


TABLE = """() => {
  const found = []
  const walk = (node) => {
    if (node.nodeName == "TABLE") found.push(node)
    if (node.shadowRoot) node.shadowRoot.childNodes.forEach(walk)
    node.childNodes.forEach(walk)
  }
  walk(document.body)
  return Math.max(...found.map(table => table.getBoundingClientRect().right))
}"""


def test_all_columns_of_containers_fit_into_a_narrow_window(
    tab: Any, serverless: Serverless, tmp_path: Path
) -> None:
    tab.set_viewport_size({"width": 800, "height": 600})
    with shown_offline(tab, serverless, tmp_path / "run.html"):
        delayed(sum)([triple(n) for n in range(12)]).compute(scheduler=serverless)
    tab.locator(".bk-tab", has_text="Containers").click()
    tab.wait_for_function("() => document.documentElement.scrollWidth == 800")
    assert 600 < tab.evaluate(TABLE) <= 800


SLIDE = """share => {
  const slider = Bokeh.documents[0].get_model_by_name("replay of graph")
  slider.value = slider.step * Math.round(share * slider.end / slider.step)
}"""


def test_a_report_shows_earlier_moments_too(
    tab: Any, serverless: Serverless, tmp_path: Path
) -> None:
    with shown_offline(tab, serverless, tmp_path / "run.html"):
        delayed(sum)([triple(n) for n in range(12)]).compute(scheduler=serverless)
    tab.evaluate(SLIDE, 0)
    await_column(tab, "tasks", "nodes", "state", f"c.every(s => s <= {int(State.RUNNING)})")
    assert column(tab, "overview", "boxes", "told") == ["0 of 12", "0 of 1"]
    tab.evaluate(SLIDE, 1)
    await_column(tab, "tasks", "nodes", "state", f"c.includes({int(State.DONE)})")
    assert column(tab, "overview", "boxes", "told") == ["12 of 12", "1 of 1"]


def test_a_report_of_several_runs_lists_them_and_each_takes_the_room_of_what_is_shown(
    tab: Any, serverless: Serverless, tmp_path: Path
) -> None:
    """The page of logs of the first is long, and hidden."""
    runs: list[str] = []
    loud = serverless.options(logs=lambda line: None)
    with shown_offline(tab, serverless, tmp_path / "run.html"):
        for count in (80, 2):
            total = delayed(sum)([triple(n, dask_key_name=f"{count}-{n}") for n in range(count)])
            total.compute(scheduler=loud)
            runs.append(loud.last_run.run)
        with pytest.raises(ValueError, match="negative"):
            triple(-1).compute(scheduler=serverless)
        runs.append(serverless.last_run.run)
    links = tab.locator("ol.runs li")
    told = links.all_inner_texts()
    assert [each.split()[0] for each in told] == runs
    assert "done" in told[0] and "81 tasks" in told[0] and "<b>negative</b>" in told[2]
    assert tab.locator("main > section > h2").count() == 3
    links.nth(2).locator("a").click()
    assert tab.url.endswith(f"#run-{runs[2]}")
    heights = [each.bounding_box()["height"] for each in tab.locator("main > section").all()]
    assert max(heights) < min(heights) + 150


def test_a_report_of_many_tasks_shows_single_ones_where_one_zooms_in(
    tab: Any, serverless: Serverless, tmp_path: Path
) -> None:
    leaves = {f"leaf-{n}": (abs, n) for n in range(2 * MOST_NODES - 1)}
    with shown_offline(tab, serverless, tmp_path / "run.html"):
        serverless({**leaves, "all": (len, list(leaves))}, "all")
    assert column(tab, "tasks", "nodes", "key") == []
    zoom_in(tab)
    await_column(tab, "tasks", "nodes", "key", "c.length > 0")
    keys = column(tab, "tasks", "nodes", "key")
    assert len(keys) < MOST_NODES and all(key.startswith("leaf-") for key in keys)
    assert set(column(tab, "tasks", "nodes", "state")) == {int(State.RELEASED)}
    tab.evaluate(SLIDE, 0)
    await_column(tab, "tasks", "nodes", "state", f"c.every(s => s <= {int(State.RUNNING)})")


FOCUS = "mode => { Bokeh.documents[0].get_model_by_name('focus').active = mode }"
FIND = "words => { Bokeh.documents[0].get_model_by_name('find').value = words }"
PICK = """() => {
  const {renderers} = Bokeh.documents[0].get_model_by_name("tasks")
  renderers.find(r => r.name == "nodes").data_source.selected.indices = [0]
}"""


def test_a_report_finds_and_follows_tasks_as_a_live_page_does(
    tab: Any, serverless: Serverless, tmp_path: Path
) -> None:
    path, named = tmp_path / "run.html", "<i>one</i>"
    with serverless.report(path):
        chains = [triple(triple(n)) for n in range(8)] + [triple(1, dask_key_name=named)]
        delayed(sum)(chains).compute(scheduler=serverless)
    tab.context.set_offline(True)
    show(tab, path.as_uri())
    everything = column(tab, "tasks", "nodes", "key")
    assert len(everything) == 18
    tab.evaluate(FIND, "<i>")
    await_column(tab, "tasks", "nodes", "key", f"c.length == 2 && c.includes('{named}')")
    assert "1 selected" in text(tab, "selected") and "&#60;i&#62;one" in text(tab, "selected")
    tab.evaluate(FOCUS, CRITICAL)
    await_column(tab, "tasks", "nodes", "key", "c.length < 18 && c.some(k => k.startsWith('sum'))")
    assert len(column(tab, "tasks", "path", "x")) == len(column(tab, "tasks", "nodes", "key"))
    tab.evaluate(FOCUS, FAILED)
    await_column(tab, "tasks", "nodes", "key", "c.length == 0")
    tab.evaluate(FIND, "")
    tab.evaluate(FOCUS, IN_VIEW)
    await_column(tab, "tasks", "nodes", "key", "c.length == 18")
    assert text(tab, "selected") == ""
    tab.evaluate(PICK)
    first = column(tab, "tasks", "nodes", "key")[0]
    assert "1 selected" in text(tab, "selected") and first.split("-")[0] in text(tab, "selected")


def test_a_report_holds_what_predictions_rest_on(
    serverless: Serverless, tmp_path: Path, nothing_left: None
) -> None:
    path, learned = tmp_path / "run.html", serverless.options(history=str(tmp_path / "history"))
    with learned.report(path):
        delayed(sum)([triple(n) for n in range(4)]).compute(scheduler=learned)
    html = path.read_text()
    assert f"Measurements in {tmp_path / 'history'}" in html and "round trip" in html


def test_a_run_that_fails_is_reported_too(
    serverless: Serverless, tmp_path: Path, nothing_left: None
) -> None:
    path = tmp_path / "run.html"
    with pytest.raises(ValueError, match="negative"), serverless.report(path):
        delayed(sum)([triple(-1)]).compute(scheduler=serverless)
    html = path.read_text()
    assert "in triple" in html and "<b>negative</b>" not in html


def test_a_long_word_of_an_error_makes_no_page_wider_than_its_window(
    tab: Any, serverless: Serverless, tmp_path: Path
) -> None:
    """Figures were 2,500 pixels wide beside a traceback of 300 letters in a row."""
    with shown_offline(tab, serverless, tmp_path / "run.html"), suppress(ValueError):
        delayed(int)("x" * 300).compute(scheduler=serverless)
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_document_that_others_left_behind_is_not_in_the_way(
    serverless: Serverless, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an error in a page of distributed's dashboard leaves it, in the same process."""
    monkeypatch.setattr("bokeh.io.doc._PATCHED_CURDOCS", [lambda: None])
    with serverless.report(tmp_path / "run.html"):
        delayed(abs)(-1).compute(scheduler=serverless)
    assert (tmp_path / "run.html").stat().st_size > 100_000


def test_a_report_of_nothing_says_so(serverless: Serverless, tmp_path: Path) -> None:
    with serverless.report(tmp_path / "run.html"):
        pass
    assert "Nothing was computed" in (tmp_path / "run.html").read_text()


def test_a_place_that_cannot_be_written_is_told_before_anything_is_computed(
    serverless: Serverless, tmp_path: Path
) -> None:
    for path in (tmp_path, tmp_path / "no" / "such" / "folder.html"):
        with pytest.raises(SettingsError, match="cannot be written"), serverless.report(path):
            raise AssertionError("the block must not run")


@contextmanager
def full_disk() -> Iterator[None]:
    """Files of this process may not become as large as a report."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_an_error_that_leaves_nothing_half_written(
    serverless: Serverless, tmp_path: Path, nothing_left: None
) -> None:
    path = tmp_path / "run.html"
    path.write_text("the last one")
    unwritten = pytest.raises(ReportUnwritten, match=r"run\.html .* too large")
    with ExitStack() as stack, unwritten, serverless.report(path):
        triple(1).compute(scheduler=serverless)
        stack.enter_context(full_disk())
    assert [each.name for each in tmp_path.iterdir()] == ["run.html"]
    assert path.read_text() == "the last one"


def test_a_full_disk_does_not_hide_what_went_wrong_in_the_block(
    serverless: Serverless, tmp_path: Path
) -> None:
    negative = pytest.raises(ValueError, match="negative")
    with ExitStack() as stack, negative as raised, serverless.report(tmp_path / "run.html"):
        try:
            triple(-1).compute(scheduler=serverless)
        finally:
            stack.enter_context(full_disk())
    assert "cannot be written" in raised.value.__notes__[-1]


def test_with_nobody_looking_nothing_is_told(serverless: Serverless, store_url: str) -> None:
    triple(1).compute(scheduler=serverless)
    with open_link(store_url) as link:
        assert link.call(("KEYS", "ds:*watched*"), ("KEYS", "ds:*structure")) == [[], []]
