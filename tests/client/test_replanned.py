"""What became of a plan while its run was under way, of runs that failed, too."""

from __future__ import annotations

import math

import pytest

from dask_serverless.client.replanned import resized_runs
from dask_serverless.client.report import RunReport
from dask_serverless.coordination.base import Event, What
from dask_serverless.coordination.resizing import Resize
from dask_serverless.worker.told import Finished

RESIZED = Resize(1, 0, 1, 3, 9, 1250), 1001.5  # by the store's clock
TOLD = Finished(0, "c", 1000.0, 1.0, 2.0, 0.5, 1, 0, 0, 0, True, None, (), None)


def report() -> RunReport:
    return RunReport("run", sizes_mb=[1024, 2048], resizes=[RESIZED])


def test_when_it_was_changed_counts_from_the_submission_also_of_a_run_that_failed_later():
    failed = report()
    failed.bundle(TOLD, Event(What.FINISHED, b"", 1001.0, 1.0))
    failed.failed(Event(What.FAILED, b"", 1005.0, 5.0))
    (resize,) = resized_runs(failed)
    assert (resize.before_mb, resize.memory_mb) == (1024, 2048)
    assert resize.at == pytest.approx(1.5)
    assert "3 bundles were done, and 9 should have been by 1.250 s" in resize.why


def test_of_a_run_that_ended_before_any_bundle_nobody_knows_when_it_was_submitted():
    (resize,) = resized_runs(report())
    assert math.isnan(resize.at)
