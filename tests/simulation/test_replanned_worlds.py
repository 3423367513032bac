"""Plans of which one bundle takes longer than foreseen, with and without re-planning."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
import pytest
from test_world import random_dag
from worlds import check_conserved, graph, one_each

from dask_serverless.client.planning import in_milliseconds
from dask_serverless.simulation.model import BackendModel
from dask_serverless.simulation.simulation import simulate
from planners.cost.longest import Longest
from planners.cost.model import CostModel
from planners.cost.patience import patience_of
from planners.numbers.predictions import Constant
from planners.numbers.workload import Workload
from planners.plans.plan import Resources
from planners.uniform import Uniform


class Known(Constant):
    """Numbers that rest on measurements, one way or another."""

    def output_lines(self, functions, sla):
        lines = super().output_lines(functions, sla)
        return replace(lines, samples=np.ones_like(lines.samples))


FORESEEN = Known(task_seconds=1.0, task_output_bytes=0.0)
COSTS = CostModel(FORESEEN)
CONTAINERS = 2
RESOURCES = Resources(CONTAINERS)
MODEL = BackendModel.of_keywords(
    containers=CONTAINERS, cold_start=0.5, warm_start=0.1, store_rtt=0.0
)
APART = graph(*[()] * 8)
IN_TWO_SLOTS = [0, 1] * 4


def forecast(dag, plan):
    return COSTS.timeline(plan, COSTS.workload(dag), RESOURCES)


def times(dag, plan):
    return in_milliseconds(patience_of(Longest(plan, dag, COSTS, RESOURCES)).begins)


def came(dag, seconds):
    """What the tasks really take."""
    workload = Workload.predict(dag, FORESEEN)
    workload._seconds[1769] = np.asarray(seconds, dtype=float)
    return workload


def test_a_plan_with_one_bundle_that_takes_ten_times_as_long_ends_sooner():
    plan = forecast(APART, one_each(APART, IN_TWO_SLOTS)).predicted_plan()
    workload = came(APART, [10, 1, 1, 1, 1, 1, 1, 1])
    without = simulate(workload, plan, MODEL)
    replanned = simulate(workload, plan, MODEL, due=times(APART, plan))
    check_conserved(replanned, APART)
    assert (without.makespan_seconds, without.version) == (pytest.approx(13.5), 0)
    assert replanned.makespan_seconds == pytest.approx(10.5)  # that of the long one alone
    assert replanned.version == 3
    moved = replanned.container[[2, 4, 6]]
    assert (moved == replanned.container[1]).all()


def random_world(seed, takes=1.0):
    """A plan by numbers that one task keeps to or does not; carried out without and with times."""
    random = Random(seed)
    dag = random_dag(random)
    plan = Uniform(FORESEEN).plan(dag, RESOURCES)
    seconds = np.ones(dag.tasks)
    seconds[random.randrange(dag.tasks)] = takes
    workload = came(dag, seconds)
    without = simulate(workload, plan, MODEL)
    replanned = simulate(workload, plan, MODEL, due=times(dag, plan))
    check_conserved(replanned, dag)
    return dag, plan, without, replanned


def test_plans_that_come_true_are_carried_out_as_they_are():
    """But for looks of the simulated client, which spares those that can find nothing."""
    true = 0
    for seed in range(60):
        dag, plan, without, replanned = random_world(seed)
        if (
            without.begun > forecast(dag, plan).begun + 0.1
        ).any():  # containers keep to no order of bundles
            continue
        true += 1
        assert replanned.version == 0
        assert np.array_equal(replanned.finished, without.finished)
        assert np.array_equal(replanned.container, without.container)
        starts = [(each.cold_starts, each.warm_starts, each.vain) for each in (replanned, without)]
        assert starts[0] == starts[1]
    assert true >= 10


def test_plans_of_which_any_one_task_takes_ten_times_as_long_end_sooner_as_a_rule():
    """Not always: a bundle may leave a moment before its container had come for it."""
    worlds = [random_world(seed, takes=10.0) for seed in range(60)]
    ratios = [
        replanned.makespan_seconds / without.makespan_seconds for _, _, without, replanned in worlds
    ]
    assert sum(replanned.version > 0 for *_, replanned in worlds) > 20
    assert np.mean(ratios) < 0.98 and max(ratios) < 1.15
