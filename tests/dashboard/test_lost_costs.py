"""What lost containers cost is the same wherever it is told."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from pathlib import Path

import dask
import pytest
from awaiting import eventually
from click.testing import CliRunner
from dask import delayed
from sightings import batch, sighting, structure

from dask_serverless import Serverless
from dask_serverless.command.cli import serverless
from dask_serverless.dashboard.numbers import numbers
from dask_serverless.dashboard.reader import Reader
from dask_serverless.dashboard.view import View
from dask_serverless.history.opening import open_history
from dask_serverless.store.embedded import EmbeddedStore
from dask_serverless.worker.witness import UNDER_WAY

pytest.importorskip("bokeh")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs kill -9")


def dies_once(flag: str) -> None:
    if not os.path.exists(flag):
        open(flag, "w").close()
        time.sleep(0.3)
        os.kill(os.getpid(), signal.SIGKILL)


def test_in_last_run_in_the_history_on_the_dashboard_and_among_its_metrics(tmp_path: Path) -> None:
    metrics = pytest.importorskip("dask_serverless.dashboard.metrics")
    history = str(tmp_path / "history")
    with EmbeddedStore() as store:
        url = store.wait_ready()
        with Serverless(containers=1, store=url, history=history) as client:
            client._ready().audience.others = True  # somebody looks
            client._ready().audience.looked = time.monotonic() + 1e6
            dask.compute(delayed(dies_once)(str(tmp_path / "flag")), scheduler=client)
            report = client.last_run
            open_history(client.settings).save()
        reader = Reader(url)
        try:
            opened = reader.open(report.run)
            view = eventually(lambda: opened.view)
            eventually(lambda: view.series.over)
            told = numbers(view.series)
            shown = metrics.exposition(reader).decode()
        finally:
            reader.close()
    assert report.paid_gb_seconds > 0.3 and len(report.lost) == 1
    starts = len(report.containers), report.cold_starts, report.warm_starts
    assert starts == (2, 2, 0) == (told.containers, told.cold_starts, told.warm_starts)
    assert told.cost == pytest.approx(report.cost)
    assert gauge(shown, "cost") == pytest.approx(report.cost)
    assert gauge(shown, "cold_starts") == 2
    assert gauge(shown, "lost_containers") == 1
    with dask.config.set({"serverless.history": history}):
        printed = CliRunner().invoke(serverless, ["history"]).output
    assert f"Paid for {report.paid_gb_seconds:.3f} GB s, " in printed


def test_metrics_count_each_container_that_was_lost_over_the_same_bundle() -> None:
    metrics = pytest.importorskip("dask_serverless.dashboard.metrics")
    view = View(structure([[], []], [0, 1]))
    view.series.heed_losses([(0, 3, []), (1, 1, [])])
    told = {family.name: family.samples[0].value for family in metrics.of_run(view)}
    assert told["dask_serverless_lost_containers"] == 4
    assert told["dask_serverless_lost_bundles"] == 2


def test_metrics_count_the_bundle_that_a_container_is_at() -> None:
    """With one long bundle it used to have done nothing until that was over."""
    metrics = pytest.importorskip("dask_serverless.dashboard.metrics")
    view = View(structure([[], []], [0, 1]))
    view.series.heed(batch("c1", sighting(0, 0.0, state=UNDER_WAY, running=2.0)))
    *_, spent = metrics.of_run(view)
    told = {sample.labels["on"]: sample.value for sample in spent.samples}
    assert told == {"fetching": 0.0, "running": 2.0, "storing": 0.0}


def gauge(shown: str, name: str) -> float:
    found = re.search(f"^dask_serverless_{name} (.*)$", shown, re.MULTILINE)
    assert found, shown
    return float(found[1])
