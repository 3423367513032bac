"""Percentiles of graphs that never ran: of many tasks in one container, the slow are among the fast."""

from dataclasses import replace

import numpy as np
import pytest

from planners.cost.model import CostModel
from planners.graph.dag import Dag
from planners.numbers.measured import Measured
from planners.numbers.predictions import VCPU_MB, Constant
from planners.numbers.sketch import Sketch
from planners.numbers.workload import Workload
from planners.plans.plan import Resources
from planners.structural import Structural

NO_STARTS = Constant(cold_start_seconds=0.0, warm_start_seconds=0.0, transfer_latency_seconds=0.0)


def skewed(random, count):
    return random.choice([0.005, 0.1], count, p=[0.9, 0.1])


def even(random, count):
    return random.uniform(0.05, 0.15, count)


def tailed(random, count):
    return random.lognormal(-3.0, 1.0, count)


def measured(times):
    sketch = Sketch().add([(VCPU_MB, 0.0, time, 28.0, 0.0) for time in times], 0)
    return Measured({"f": sketch}, fallback=NO_STARTS)


def apart(tasks):
    return replace(Dag.from_edges(tasks, [], []), function_names=("f",))


def forecast(predictions, tasks, containers, sla):
    dag, resources = apart(tasks), Resources(containers, VCPU_MB)
    model = CostModel(predictions, sla=sla)
    workload = model.workload(dag, containers)
    timeline = model.timeline(Structural().plan(dag, resources), workload, resources)
    return timeline.prediction().makespan_seconds


@pytest.mark.parametrize("times", [skewed, even, tailed])
@pytest.mark.parametrize("tasks", [40, 200, 1000])
def test_a_deadline_that_holds_with_ease_is_not_out_of_reach(times, tasks):
    """It was: the 90th percentile of each task, added up, is what no run ever takes."""
    random, containers = np.random.default_rng(tasks), 2
    predictions = measured(times(random, 400))
    told = forecast(predictions, tasks, containers, 90)
    runs = [times(random, tasks).reshape(containers, -1).sum(1).max() for _ in range(400)]
    assert told >= 0.94 * np.percentile(runs, 85)  # a few hundred samples say no more
    assert told <= 2 * np.percentile(runs, 99)


@pytest.mark.parametrize("times", [skewed, even, tailed])
def test_the_median_is_no_less_than_half_of_all_runs_take(times):
    random = np.random.default_rng(3)
    predictions = measured(times(random, 400))
    told = forecast(predictions, 400, 2, 50)
    runs = [times(random, 400).reshape(2, -1).sum(1).max() for _ in range(400)]
    assert told == pytest.approx(np.median(runs), rel=0.15)


def test_where_each_container_runs_one_task_percentiles_are_those_of_tasks():
    times = skewed(np.random.default_rng(1), 400)
    workload = Workload.predict(apart(8), measured(times), 99, containers=8)
    assert workload.seconds(VCPU_MB) == pytest.approx(0.1)


def test_averages_stay_what_they_are():
    times = skewed(np.random.default_rng(1), 400)
    predictions = measured(times)
    workload = Workload.predict(apart(800), predictions, "average", containers=2)
    assert workload.seconds(VCPU_MB) == pytest.approx(predictions.seconds("f", VCPU_MB).base)
