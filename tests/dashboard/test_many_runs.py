"""Lists as long as they get, and runs that an older version left."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import msgpack
import pytest
from awaiting import eventually
from browsing import TEXT, await_text, show, text
from dask import delayed
from sightings import structure

from dask_serverless import Serverless
from dask_serverless.client.structure import VERSION
from dask_serverless.coordination.watched import INDEX, MOST_RUNS, RUN, structure_key
from dask_serverless.dashboard.costs import cost
from dask_serverless.dashboard.pages.runs import ROWS, Runs
from dask_serverless.dashboard.reader import Reader
from dask_serverless.dashboard.view import View
from dask_serverless.store.connect import open_link
from dask_serverless.store.embedded import EmbeddedStore

pytest.importorskip("bokeh")
MANY = MOST_RUNS
FIGURES = "[...Bokeh.documents[0]._all_models.values()].filter(m => m.type == 'Figure').length"


def told(number: int) -> bytes:
    about = {"run": f"run{number}", "submitted": 1e9, "tasks": 2, "bundles": 1, "host": "here"}
    return bytes(msgpack.packb(about))


def test_ten_thousand_runs_are_listed_the_latest_first_and_can_be_searched() -> None:
    with EmbeddedStore() as store, open_link(store.wait_ready()) as link:
        for first in range(0, MANY, 1000):
            numbers = range(first, first + 1000)
            link.call(*[("XADD", INDEX, "*", RUN, told(n)) for n in numbers])
        reader = Reader(store.wait_ready())
        try:
            eventually(lambda: reader.latest == f"run{MANY - 1}")
            assert len(reader.listing.runs) == MANY
            link.call(("XADD", INDEX, "*", RUN, told(MANY)))
            eventually(lambda: reader.latest == f"run{MANY}")
            assert len(reader.listing.runs) == MANY
            page = Runs(None, reader)
            page.update(None)
            assert page.table.text.count("<a href") == ROWS and f"run{MANY}<" in page.table.text
            assert f"1 to {ROWS} of {MANY:,} runs" in page.table.text
            assert page.later.disabled and not page.earlier.disabled
            page.turn_to(page.first + ROWS)
            assert f"{ROWS + 1} to {2 * ROWS} of {MANY:,} runs" in page.table.text
            assert f">run{MANY - ROWS}<" in page.table.text and not page.later.disabled
            page.turn_to(10 * MANY)  # runs may have gone meanwhile
            assert page.earlier.disabled and ">run1<" in page.table.text
            page.wanted.value_input = "run123"
            assert page.table.text.count("<a href") == 11 and "run1234" in page.table.text
            assert not page.earlier.visible
            page.wanted.value_input = "nowhere"
            assert "none of them" in page.table.text
        finally:
            reader.close()


def test_the_list_of_runs_stays_as_it_is_while_others_come(tab: Any, watched: Serverless) -> None:
    """It used to be made anew with each run: what was searched for was gone, and the place in it."""
    for _ in range(2):
        delayed(sum)([1, 2]).compute(scheduler=watched)
    first = watched.last_run.run
    show(tab, f"{watched.dashboard_link}runs")
    await_text(tab, "runs", first)
    tab.get_by_placeholder("run, result").fill(first[:8])
    tab.wait_for_function(f"() => ({TEXT})('runs').split('<a href').length == 2")
    delayed(sum)([1, 3]).compute(scheduler=watched)
    show_again = tab.context.new_page()
    show(show_again, f"{watched.dashboard_link}runs")
    await_text(show_again, "runs", watched.last_run.run)  # the server knows of it
    tab.wait_for_timeout(500)
    told = text(tab, "runs")
    assert first in told and watched.last_run.run not in told
    assert tab.get_by_placeholder("run, result").input_value() == first[:8]
    assert text(tab, "heading") == ""  # it is about none of them


def test_the_same_again_is_shown_on_a_page_that_is_left_open(tab: Any, watched: Serverless) -> None:
    """Two runs of which there is as much to tell: pages used to read the second one for ever."""
    for again in range(4):
        delayed(sum)([1, 2]).compute(scheduler=watched)
        if not again:
            show(tab, f"{watched.dashboard_link}progress")
        await_text(tab, "heading", watched.last_run.run)


def test_a_page_that_is_left_open_does_not_grow_with_each_run(
    tab: Any, watched: Serverless
) -> None:
    """Browsers used to keep the figures of all runs for as long as runs came in a row."""
    for number in range(4):
        delayed(sum)([number, 2]).compute(scheduler=watched)
        if not number:
            show(tab, f"{watched.dashboard_link}stream")
        await_text(tab, "heading", watched.last_run.run)
    tab.wait_for_function(f"() => ({FIGURES}) == 1", timeout=15_000)
    assert tab.evaluate("zooming.length") == 1  # each holds its figure, and all that this drew


@pytest.mark.parametrize("version", [VERSION - 1, VERSION + 1])
def test_a_run_of_another_version_says_so(version: int) -> None:
    with EmbeddedStore() as store, open_link(store.wait_ready()) as link:
        packed = zlib.compress(msgpack.packb([version, {"run": "old"}]))
        link.call(("SET", structure_key("old"), packed))
        reader = Reader(store.wait_ready())
        try:
            opened = reader.open("old")
            eventually(lambda: opened.trouble)
            assert f"version {version}" in opened.trouble and opened.view is None
        finally:
            reader.close()


def test_what_is_not_over_has_a_cost_by_the_usual_prices(tmp_path: Path) -> None:
    assert cost(View(structure([[]], [0])).series) == 0.0
