"""What moving an output takes: by this run, by earlier ones to the same place, or as planned."""

from __future__ import annotations

import numpy as np
import pytest

from dask_serverless.client.evidence import Transfers
from dask_serverless.client.kept_local import KeptLocal
from dask_serverless.client.rates import Rates
from dask_serverless.client.report import RunReport
from dask_serverless.coordination.base import Event, What
from dask_serverless.history.folding import fold
from dask_serverless.history.observations import (
    DOWNLOAD,
    UPLOAD,
    Calls,
    Observations,
    Sample,
    Transfer,
)
from dask_serverless.history.predicted import predicted
from dask_serverless.worker.told import Finished, Measured, Moved
from planners.cost.model import CostModel
from planners.cost.outlook import Outlook
from planners.graph.dag import Dag
from planners.plans.plan import Plan, Resources
from planners.registry import planner_named

MB = 10**6
ASSUMED = 0.01  # seconds for a megabyte, without a measurement


def report_of(*earlier, place="shared"):
    """Of a run with one bundle, after these transfers in earlier ones."""
    calls = Calls(1, 0.1, [Sample(0, 0, 0.1, 1 * MB, 0)])
    entries, _ = fold([Observations({"f": calls}, list(earlier))], 0.0, source=1)
    dag = Dag.from_edges(1, [], [], function_names=("f",))
    one = np.zeros(1, dtype=np.int32)
    plan = Plan("by-hand", one, one, one)
    model = CostModel(predicted(entries, {}))
    outlook = Outlook(plan, dag, model, Resources(2), planner_named)
    return RunReport("run", plan=plan, place=place, transfers=Transfers(), foreseen=lambda: outlook)


def tell(report, kept, *moved):
    told = Finished(
        0, "c", 0.0, 0.0, 0.0, 0.0, 1, 0, kept, 0, False, None, (), Measured((), moved, -1.0, 0.001)
    )  # fmt: skip
    report.bundle(told, Event(What.FINISHED, b"", 0.0, 1.0))
    return report


def both(place, seconds):
    """Of a megabyte; several, since a single one says nothing of larger ones."""
    return [
        Transfer(place, direction, size * MB, size * seconds)
        for direction in (UPLOAD, DOWNLOAD)
        for size in range(1, 30)
    ]


def rates(report):
    return Rates(report, report.foreseen())


def test_without_any_measurement_it_is_what_the_plan_assumes():
    found = rates(report_of())
    assert found.assumed
    assert found.upload.per_byte * MB == pytest.approx(ASSUMED)


def test_earlier_runs_tell_of_the_same_place():
    found = rates(report_of(*both("shared", 0.5), *both("redis", 5.0)))
    assert not found.assumed
    assert found.upload.per_byte * MB == pytest.approx(0.5, rel=0.1)
    assert found.download.per_byte * MB == pytest.approx(0.5, rel=0.1)


def test_of_another_place_they_tell_nothing():
    assert rates(report_of(*both("redis", 5.0))).assumed


def test_this_run_tells_most():
    report = report_of(*both("shared", 0.5))
    tell(report, 0, Moved("f", True, 10 * MB, 0.2), Moved("f", False, 10 * MB, 0.1))
    found = rates(report)
    assert not found.assumed
    assert found.upload.per_byte * MB == pytest.approx(0.02, rel=0.01)
    assert found.download.per_byte * MB == pytest.approx(0.01, rel=0.02)


def test_kept_outputs_are_reckoned_by_it_and_say_so():
    told = KeptLocal(tell(report_of(), 100 * MB), ()).asked
    assert told.saved_seconds == pytest.approx(2 * 100 * ASSUMED, rel=0.01)
    assert told.assumed == "transfers" and "assumed transfers" in str(told)
    known = KeptLocal(tell(report_of(*both("shared", 0.0001)), 100 * MB), ()).asked
    assert known.saved_seconds == pytest.approx(2 * 100 * 0.0001, rel=0.1)
    assert known.assumed == "" and str(known).endswith("by what came")
