"""A real browser for the pages; where there is none, their tests are skipped and say why."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from dask_serverless import Serverless
from dask_serverless.store.connect import open_link

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Not for longer: while it is there, Playwright's event loop runs in this thread."""
    playwright = pytest.importorskip("playwright.sync_api")
    pytest.importorskip("bokeh")
    if not CHROMIUM:
        pytest.skip("no chromium on the PATH")
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def tab(browser: Any) -> Iterator[Any]:
    """A page that must meet no error."""
    errors: list[str] = []
    with browser.new_context(viewport={"width": 1300, "height": 900}) as context:
        page = context.new_page()
        page.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda r: outside(r.url, errors))
        page.set_default_timeout(60_000)  # on a machine where all cores are taken
        yield page
    assert errors == []


def outside(url: str, errors: list[str]) -> None:
    """Everything comes from the dashboard itself."""
    if not url.startswith(
        ("http://127.0.0.1", "ws://127.0.0.1", "file:", "data:", "blob:", "about:")
    ):
        errors.append(f"asks {url}")


@pytest.fixture(scope="module")
def watched(store_url: str) -> Iterator[Serverless]:
    """What its runs leave to be looked at would outlive it in a store that others use, too."""
    pytest.importorskip("bokeh")
    client = Serverless(containers=2, dashboard=True)
    yield client
    client.close()
    with open_link(store_url) as link:
        link.call(("FLUSHALL",))
