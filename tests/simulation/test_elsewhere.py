"""Elsewhere: tasks as they are known here, on a backend that is made up."""

import pytest

from dask_serverless.simulation.elsewhere import elsewhere, unhurried
from dask_serverless.simulation.model import BackendModel
from planners.auto import Auto
from planners.cost.model import CostModel
from planners.cost.platform import Platform, Prices
from planners.numbers.outcomes import Outcome, Outcomes, Track
from planners.numbers.predictions import Constant, Line, Unmeasured
from planners.plans.checked import CheckedPlanner
from planners.structural import Structural

HERE = CostModel(
    Constant(
        seconds_of={"slow": 7.0},
        output_bytes_of={"slow": 8.0},
        peak_bytes_of={"slow": 9.0},
        cold_start_seconds=99.0,
        warm_start_seconds=99.0,
        transfer_latency_seconds=99.0,
    ),
    Platform((512, 1024), 512, publish_seconds=99.0, bundle_seconds=0.5, idle_seconds=99.0),
    90,
    Outcomes({"structural": Track([Outcome(1.0, 99.0)])}),
)


def test_tasks_are_those_from_here_and_all_else_is_there():
    there = BackendModel(
        cold_start=4, warm_start=1, invocation=0.25, store_rtt=0.5, store_service=0.125,
        upload=10, download=20, warm=6, keep_alive=30, prices=Prices(1.0, 2.0, 3.0),
    )  # fmt: skip
    found = elsewhere(HERE, there)
    numbers, platform = found.predictions, found.platform
    assert numbers.seconds("slow", 1769).at() == 7.0
    assert numbers.output_bytes("slow").at() == 8.0
    assert numbers.peak_bytes("slow").at() == 9.0
    assert numbers.seconds_lines(("slow", "other"), 1769, "average").base.tolist() == [7.0, 0.01]
    assert (numbers.cold_start(512).at(), numbers.warm_start(512).at()) == (4.25, 1.25)
    assert (numbers.upload(), numbers.download()) == (Line(0.5, 0.1), Line(0.5, 0.05))
    assert platform.warm == ((512, 6), (1024, 6))
    assert (platform.idle_seconds, platform.publish_seconds) == (30.0, 0.625)
    assert (platform.prices, platform.bundle_seconds) == (Prices(1.0, 2.0, 3.0), 0.5)
    assert found.sla == 90
    assert not found.outcomes  # of runs here


def test_what_nobody_knows_here_is_not_known_there():
    assert elsewhere(HERE, BackendModel()).predictions.knows_all(("slow",))
    assert not elsewhere(CostModel(Unmeasured()), BackendModel()).predictions.knows(("slow",))


@pytest.mark.parametrize(
    ("sla", "seconds"), [("average", 1.0), (50, 1.0), (95, 3.0), (99, 4.73), (100, 5.59)]
)
def test_percentiles_of_cold_starts_are_those_that_are_drawn(sla, seconds):
    there = BackendModel(cold_start=1.0, cold_start_p95=3.0)
    assert elsewhere(HERE, there).predictions.cold_start(512, sla).at() == pytest.approx(
        seconds, rel=0.01
    )
    certain = BackendModel(cold_start=2.0)
    assert elsewhere(HERE, certain).predictions.cold_start(512, sla).at() == 2.0


def test_no_clock_is_left_in_any_planner():
    assert unhurried(Auto()).clock is None
    assert unhurried(CheckedPlanner(Auto(), "auto")).planner.clock is None
    assert unhurried(CheckedPlanner(Structural(), "structural")).planner == Structural()
