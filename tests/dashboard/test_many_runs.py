"""Lists as long as they get, and runs that an older version left."""

from __future__ import annotations

import zlib
from pathlib import Path

import msgpack
import pytest
from awaiting import eventually
from sightings import structure

from dask_serverless.client.structure import VERSION
from dask_serverless.coordination import watched
from dask_serverless.dashboard.costs import cost
from dask_serverless.dashboard.pages.runs import MOST_ROWS, Runs
from dask_serverless.dashboard.reader import Reader
from dask_serverless.dashboard.view import View
from dask_serverless.store.connect import open_link
from dask_serverless.store.embedded import EmbeddedStore

pytest.importorskip("bokeh")
MANY = watched.MOST_RUNS


def told(number: int) -> bytes:
    about = {"run": f"run{number}", "submitted": 1e9, "tasks": 2, "bundles": 1, "host": "here"}
    return bytes(msgpack.packb(about))


def test_ten_thousand_runs_are_listed_the_latest_first_and_can_be_searched() -> None:
    with EmbeddedStore() as store, open_link(store.wait_ready()) as link:
        for first in range(0, MANY, 1000):
            numbers = range(first, first + 1000)
            link.call(*[("XADD", watched.INDEX, "*", watched.RUN, told(n)) for n in numbers])
        reader = Reader(store.wait_ready())
        try:
            eventually(lambda: reader.latest == f"run{MANY - 1}")
            assert len(reader.listing.runs) == MANY
            link.call(("XADD", watched.INDEX, "*", watched.RUN, told(MANY)))
            eventually(lambda: reader.latest == f"run{MANY}")
            assert len(reader.listing.runs) == MANY
            page = Runs(None, reader)
            page.update(None)
            assert f"and {MANY - MOST_ROWS:,} earlier ones" in page.table.text
            page.wanted.value_input = "run123"
            assert page.table.text.count("<a href") == 11 and "run1234" in page.table.text
        finally:
            reader.close()


@pytest.mark.parametrize("version", [VERSION - 1, VERSION + 1])
def test_a_run_of_another_version_says_so(version: int) -> None:
    with EmbeddedStore() as store, open_link(store.wait_ready()) as link:
        packed = zlib.compress(msgpack.packb([version, {"run": "old"}]))
        link.call(("SET", watched.structure_key("old"), packed))
        reader = Reader(store.wait_ready())
        try:
            opened = reader.open("old")
            eventually(lambda: opened.trouble)
            assert f"version {version}" in opened.trouble and opened.view is None
        finally:
            reader.close()


def test_what_is_not_over_has_a_cost_by_the_usual_prices(tmp_path: Path) -> None:
    assert cost(View(structure([[]], [0])).series) == 0.0
