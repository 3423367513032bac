"""What notebooks show: the numbers of the last run, drawn without anything that is not Python's."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from dask import delayed

from dask_serverless import Serverless
from dask_serverless.client.report import RunReport


def test_the_picture_has_the_numbers_of_the_run(serverless: Serverless) -> None:
    delayed(sum)([delayed(abs)(n) for n in range(5)]).compute(scheduler=serverless)
    run = serverless.last_run
    shown = run._repr_html_()
    assert f"<b>{run.tasks}</b>" in shown and f"<b>{run.makespan_seconds:.3f} s</b>" in shown
    tree = ElementTree.fromstring(shown.replace("&nbsp;", " "))
    assert {text.text for text in tree.iter("text")} == set(run.containers)
    assert len(list(tree.iter("rect"))) == 3 * len(run.containers)


def test_a_name_in_the_picture_is_text() -> None:
    times = {"fetch": 0.0, "run": 0.0, "store": 0.0}
    shown = RunReport("run", containers={"<script>": times})._repr_html_()
    assert "<script>" not in shown and "&lt;script&gt;" in shown


def test_an_object_shows_its_last_run(serverless: Serverless) -> None:
    delayed(abs)(-1).compute(scheduler=serverless)
    shown = serverless._repr_html_()
    assert "Serverless(containers=2)" in shown and "makespan" in shown


def test_to_be_shown_starts_nothing() -> None:
    from dask_serverless import serverless

    if serverless._engine is not None:
        pytest.skip("another test has used it")
    serverless._repr_html_()
    assert serverless._engine is None


def test_the_link_is_shown() -> None:
    pytest.importorskip("bokeh")
    client = Serverless(containers=1, dashboard=True)
    try:
        assert client.dashboard_link in client._repr_html_()
    finally:
        client.close()
