"""A plan with a goal, and what is known of its tasks → how many bundles should be done by when."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from test_patience import Measured

from planners.cost.longest import Longest
from planners.cost.model import CostModel
from planners.cost.pace import NO_PACE, pace_of
from planners.cost.platform import Platform
from planners.graph.dag import Dag
from planners.numbers.predictions import Constant
from planners.plans.goals import Goals
from planners.plans.plan import FLEXIBLE, Plan, Resources

MANY = Dag.from_edges(64, [], [], functions=np.zeros(64, dtype=np.int32))
RESOURCES = Resources(2)
SIZES = (512, 1024, 2048)


def model(numbers=Measured, **options):
    """Tasks of a second in the smallest size, of which a few take three."""
    told = {"task_seconds": 512 / 1769, "task_output_bytes": 0.0, "cold_start_seconds": 0.5}
    platform = Platform(memory_sizes_mb=SIZES, default_memory_mb=512)
    return CostModel(numbers(**{**told, **options}), platform)


def pace(goals, numbers=None, memory_mb=0, sizes=SIZES, known=True):
    numbers = numbers or model()
    memory = np.full(64, memory_mb, dtype=np.int32)
    plan = Plan("test", np.arange(64), np.full(64, FLEXIBLE), memory)
    plan = numbers.timeline(plan, numbers.workload(MANY), RESOURCES).predicted_plan()
    plan = plan if known else replace(plan, prediction=None)
    return pace_of(Longest(plan, MANY, numbers, RESOURCES), goals, sizes)


def test_the_pace_is_that_of_a_run_in_which_every_task_takes_longest_until_the_deadline():
    found = pace(Goals(deadline=40.0))
    assert found.sizes_mb == [1024, 2048]
    times, counts = zip(*found.due, strict=True)
    assert list(times) == sorted(times) and list(counts) == sorted(counts)
    assert times[0] > 1.2 * 3.0 * counts[0] / 2, "a plan that takes longest keeps it"
    assert counts[-1] < 64, "at the end, no larger container would come in time"


def test_with_time_to_spare_it_may_be_slower():
    soon, late = pace(Goals(deadline=40.0)), pace(Goals(deadline=400.0))
    assert late.due[0][0] > 2 * soon.due[0][0]


def test_a_share_of_runs_promises_what_the_plan_is_forecast_to_take():
    assert pace(Goals(sla=90)).due
    assert pace(Goals()) == NO_PACE


@pytest.mark.parametrize(
    "nothing",
    [
        {"numbers": model(Constant)},  # nothing was measured
        {"numbers": model(task_seconds=1e-3)},  # over before anybody looks
        {"known": False},
        {"sizes": ()},
        {"memory_mb": 2048},  # there is none larger
        {"numbers": model(threads=512 / 1769)},  # more memory makes nothing faster
        {"numbers": model(cores=tuple((size, 0.25) for size in SIZES))},  # nor more of a core
        {"numbers": model(cold_start_seconds=1000.0)},  # takes longer than what is gained
    ],
)
def test_there_is_none_where_it_would_be_made_up_or_of_no_use(nothing):
    assert pace(Goals(deadline=40.0), **nothing) == NO_PACE


def test_a_size_that_is_no_faster_is_left_out():
    known = model(threads=1024 / 1769)
    assert pace(Goals(deadline=40.0), known).sizes_mb == [1024]


def test_what_the_plan_takes_and_all_of_it_again_in_a_larger_size_fits_into_the_budget():
    known = model()
    once = known.platform.prices.gb_second * 64 * 3.0 * 0.5  # at most, in the smallest size
    few, some, many = (pace(Goals(deadline=40.0, budget=n * once)) for n in (1.5, 2.7, 9.0))
    assert (few, some.sizes_mb, many.sizes_mb) == (NO_PACE, [1024], [1024, 2048])
