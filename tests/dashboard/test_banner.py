"""A page that is open while its store goes says so, and goes on with the next one."""

from __future__ import annotations

from typing import Any

import pytest
from browsing import await_text, show

from dask_serverless.dashboard.access import Address
from dask_serverless.store.server import Server

pytest.importorskip("bokeh")
CUT_OFF = "() => Bokeh.documents[0].get_model_by_name('cut off').visible"
BANNER = "() => Bokeh.documents[0].get_model_by_name('banner').visible"


def test_a_page_says_that_its_store_is_gone_and_then_that_it_is_back(tab: Any) -> None:
    from dask_serverless.dashboard.process import DashboardProcess

    first, second = Server(), Server()
    dashboard = DashboardProcess(Address())
    try:
        assert not first.wait_ready(10) and not second.wait_ready(10)
        dashboard.follow(first.url, False, False)
        show(tab, f"{dashboard.link}runs")
        await_text(tab, "runs", "no run yet")
        assert not tab.evaluate(BANNER)
        first.stop()
        await_text(tab, "banner", "No store answers")
        assert tab.evaluate(BANNER)
        dashboard.follow(second.url, False, False)
        tab.wait_for_function(f"() => !({BANNER})()")
    finally:
        tab.goto("about:blank")  # it would miss the dashboard
        dashboard.close()
        first.stop()
        second.stop()


def test_a_page_whose_dashboard_has_ended_says_so(browser: Any) -> None:
    from dask_serverless.dashboard.process import DashboardProcess

    dashboard = DashboardProcess(Address())
    with browser.new_context() as context:  # whose errors are those of a lost connection
        page = context.new_page()
        page.set_default_timeout(60_000)
        try:
            show(page, f"{dashboard.link}runs")
            assert not page.evaluate(CUT_OFF)
        finally:
            dashboard.close()
        page.wait_for_function(CUT_OFF)
