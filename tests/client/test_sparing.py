"""With a goal, no more containers are invited than the plan has use for."""

from __future__ import annotations

import dask
import pytest
from dask import delayed

from dask_serverless import Serverless
from dask_serverless.errors import PlanRefused
from planners.auto import Auto
from planners.numbers.predictions import Constant

CONTAINERS, TASKS = 4, 100
NUMBERS = Constant(task_seconds=0.01, task_output_bytes=1e3)


def same(number):
    return number


def collection():
    return delayed(sum)([delayed(same)(number) for number in range(TASKS)])


@pytest.fixture
def cold():
    with Serverless(containers=CONTAINERS, history=False, planner=Auto(NUMBERS)) as client:
        yield client


@pytest.fixture
def invited(cold, monkeypatch):
    counts = []
    backend = cold._ready().backend
    invoke = backend.invoke

    def count(invitation, count=1):
        counts.append(count)
        invoke(invitation, count)

    monkeypatch.setattr(backend, "invoke", count)
    return counts


def test_a_budget_for_one_container_starts_one(cold, invited):
    """All that there are were started first, at the cost that the plan was to save."""
    dear = cold.plan(collection()).prediction.cost
    sparing = cold.options(budget=dear / 2)
    slots = set(sparing.plan(collection()).plan.slots.tolist())
    assert len(slots) < CONTAINERS
    simulated = sparing.simulate(collection())
    assert simulated.cold_starts == len(slots)
    assert simulated.cost <= dear / 2
    assert dask.compute(collection(), scheduler=sparing) == (sum(range(TASKS)),)
    assert invited[0] == len(slots)


def test_a_run_that_is_refused_starts_none(cold, invited):
    with pytest.raises(PlanRefused):
        dask.compute(collection(), scheduler=cold, budget=1e-9)
    assert invited == []


def test_without_goals_they_come_up_while_it_is_planned(cold, invited):
    dask.compute(collection(), scheduler=cold)
    assert invited[0] == CONTAINERS
