"""A plan and what is known of its tasks → by when its bundles should have begun."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from planners.cost.longest import SHORTEST_SECONDS, STRETCH, Longest
from planners.cost.model import CostModel
from planners.cost.patience import LEAST_SECONDS, patience_of
from planners.graph.dag import Dag
from planners.numbers.outcomes import Outcome, Outcomes
from planners.numbers.predictions import Constant
from planners.plans.plan import FLEXIBLE, Plan, Resources


class Measured(Constant):
    """Tasks of a second on the average, of which a few take three."""

    def output_lines(self, functions, sla):
        lines = super().output_lines(functions, sla)
        return replace(lines, samples=np.ones_like(lines.samples))

    def seconds_lines(self, functions, memory_mb, sla):
        lines = super().seconds_lines(functions, memory_mb, sla)
        return lines if sla == "average" else replace(lines, base=3 * lines.base)


APART = Dag.from_edges(4, [], [], functions=np.zeros(4, dtype=np.int32))
RESOURCES = Resources(2)


def planned(model, slots=(0, 1, 0, FLEXIBLE)):
    plan = Plan("test", np.arange(4), np.array(slots), np.zeros(4, dtype=np.int32))
    return model.timeline(plan, model.workload(APART), RESOURCES).predicted_plan()


def model(numbers=Measured, seconds=1.0):
    return CostModel(numbers(task_seconds=seconds, task_output_bytes=0.0))


def test_a_bundle_is_late_when_it_would_not_have_begun_though_all_before_it_took_longest():
    plan = planned(model())
    latest = patience_of(Longest(plan, APART, model(), RESOURCES)).begins
    assert latest[2] >= STRETCH * 3.0 + LEAST_SECONDS
    assert latest[2] < latest[0] + STRETCH * 3.5
    assert latest[3] == np.inf  # it waits for no certain container


def test_what_came_of_earlier_runs_stretches_it():
    known = replace(model(), outcomes=Outcomes().after("test", [Outcome(3.0, 18.0)] * 9, []))
    plan = planned(model())
    sure = patience_of(Longest(plan, APART, model(), RESOURCES)).begins
    unsure = patience_of(Longest(plan, APART, known, RESOURCES)).begins
    assert unsure[2] > 1.5 * sure[2]


@pytest.mark.parametrize(
    ("numbers", "seconds", "slots"),
    [
        (Constant, 1.0, (0, 1, 0, 1)),  # nothing was measured
        (Measured, SHORTEST_SECONDS / 100, (0, 1, 0, 1)),  # over before anybody looks
        (Measured, 1.0, (FLEXIBLE,) * 4),  # nothing waits for a certain container
    ],
)
def test_there_is_none_where_it_would_be_made_up_or_of_no_use(numbers, seconds, slots):
    numbers = numbers(task_seconds=seconds, task_output_bytes=0.0, cold_start_seconds=0.0)
    plan = planned(CostModel(numbers), slots)
    assert len(patience_of(Longest(plan, APART, CostModel(numbers), RESOURCES)).begins) == 0


def test_a_plan_without_a_forecast_has_none():
    plan = replace(planned(model()), prediction=None)
    assert len(patience_of(Longest(plan, APART, model(), RESOURCES)).begins) == 0


def test_a_bundle_of_several_tasks_is_late_when_it_runs_longer_than_if_all_of_them_took_longest():
    lumps = Plan("test", np.array([0, 0, 0, 1]), np.full(2, FLEXIBLE), np.zeros(2, dtype=np.int32))
    lumps = model().timeline(lumps, model().workload(APART), RESOURCES).predicted_plan()
    patience = patience_of(Longest(lumps, APART, model(), RESOURCES))
    assert patience.runs[0] >= STRETCH * 3.0 + LEAST_SECONDS
    assert patience.runs[1] == np.inf  # a single task is never divided
    assert patience.moving_seconds >= LEAST_SECONDS
    assert not np.isfinite(patience.begins).any()
