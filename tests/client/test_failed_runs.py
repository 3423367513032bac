"""What ``last_run`` says of a run that failed: that it did, how far it was, and why."""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path

import dask
import pytest
from awaiting import eventually
from dask import delayed

from dask_serverless import Serverless
from dask_serverless.client.report import RunReport


@delayed
def first(n: int) -> int:
    return n


@delayed
def fragile(*numbers: int) -> int:
    raise ValueError("no <b>such</b> catalogue\nbut others")


def test_it_says_that_it_failed_and_how_many_bundles_were_done(serverless: Serverless) -> None:
    firsts = [first(n) for n in range(8)]
    with pytest.raises(ValueError, match="catalogue"):
        fragile(*firsts).compute(scheduler=serverless)
    report = serverless.last_run
    assert report.error == "ValueError: no <b>such</b> catalogue\nbut others"
    assert 0 < report.done_bundles < report.bundles
    told = str(report).splitlines()
    assert (
        f"failed after {report.makespan_seconds:.3f} s, when {report.done_bundles} bundles"
        in told[0]
    )
    assert "last output" not in told[0]
    assert told[1] == "  error: ValueError: no <b>such</b> catalogue"
    shown = report._repr_html_()
    assert f"{report.done_bundles} / {report.bundles}" in shown
    assert "no &lt;b&gt;such" in shown


def test_one_that_went_well_says_nothing_of_that(serverless: Serverless) -> None:
    assert first(1).compute(scheduler=serverless) == 1
    report = serverless.last_run
    assert (report.error, report.done_bundles) == ("", report.bundles)
    assert "last output stored" in str(report) and "fail" not in str(report)


def test_of_one_that_was_interrupted_it_knows_the_containers_at_their_first_bundle(
    tmp_path: Path,
) -> None:
    """It said that there were none, and that they had cost nothing."""

    def waits(n: int) -> None:
        (tmp_path / str(n)).touch()
        time.sleep(60)

    def interrupt() -> None:
        eventually(lambda: len(list(tmp_path.iterdir())) == 2)
        signal.raise_signal(signal.SIGINT)

    with Serverless(containers=2, history=False) as client:
        threading.Thread(target=interrupt).start()
        with pytest.raises(KeyboardInterrupt):
            dask.compute(*[delayed(waits)(n) for n in range(8)], scheduler=client)
        report = client.last_run
    assert len(report.containers) == report.cold_starts == 2
    assert report.cost > 0 and report.paid_gb_seconds > 0
    assert "on 2 containers (2 cold, 0 warm): failed" in str(report)


def test_of_one_that_ended_before_anything_was_heard_no_count_is_made_up() -> None:
    report = RunReport("run", tasks=3, bundles=2, error="KeyboardInterrupt")
    assert (
        str(report)
        .splitlines()[0]
        .startswith("3 tasks in 2 bundles on 0 containers (0 cold, 0 warm): failed, ")
    )
    assert ">2</b>" in report._repr_html_()
    assert report.done_bits == b""
