"""``Serverless.plan``: what compute would do, told without doing it."""

from __future__ import annotations

import dask
import dask.array as da
import numpy as np
import pytest
from dask import delayed

from dask_serverless import Serverless
from dask_serverless.errors import PlanRefused, SettingsError
from planners.numbers.predictions import Constant
from planners.uniform import Uniform


class Noting:
    """Remembers the plans that it made."""

    name = "noting"

    def __init__(self):
        self.made = []

    def plan(self, dag, resources):
        self.made.append((Uniform(Constant()).plan(dag, resources), resources))
        return self.made[-1][0]


def test_it_is_the_plan_that_a_compute_carries_out():
    planner = Noting()
    x = da.random.default_rng(1).random((20, 20), chunks=5)
    values = (x + x.T).sum(), {"mean": x.mean()}
    with Serverless(containers=2, planner=planner) as client:
        told = client.plan(*values)
        assert client.last_run is None
        dask.compute(*values, scheduler=client)
    (foreseen, before), (carried_out, after) = planner.made
    assert told.plan == foreseen == carried_out
    assert before == after
    assert client.last_run.bundles == len(told.plan.slots)


def test_nothing_is_computed(serverless, tmp_path):
    serverless.plan(delayed((tmp_path / "here").touch)())
    assert list(tmp_path.iterdir()) == []


def test_it_prints_and_puts_other_planners_beside_it(serverless):
    told = serverless.plan(da.ones((12, 12), chunks=3).sum())
    assert str(told).startswith("structural: ")
    assert "times: made up" in str(told)
    planners = [plan.planner for plan in told.compare("wukong", "uniform").plans]
    assert planners == ["structural (this plan)", "wukong", "uniform"]


def test_what_was_measured_is_what_it_goes_by(tmp_path):
    def slow(n):
        return np.full(1000, float(n))

    graph = delayed(sum)([delayed(slow)(n) for n in range(6)])
    with Serverless(containers=2, history=str(tmp_path / "history")) as client:
        before = client.plan(graph)
        dask.compute(graph, scheduler=client)
        after = client.plan(graph)
    assert not before.known and after.known
    assert after.timeline.makespan_seconds != before.timeline.makespan_seconds
    assert after.workload.output_bytes[0] == pytest.approx(8000, rel=0.1)


def test_a_planners_own_numbers_are_those_of_the_forecast():
    with Serverless(containers=2, planner=Uniform(Constant(task_seconds=3.0))) as client:
        assert client.plan(delayed(abs)(-1)).timeline.makespan_seconds > 3.0


def test_a_history_has_other_names_for_functions_than_a_planners_own_numbers(tmp_path):
    def slow(number):
        return number

    numbers = Constant(seconds_of={"slow": 20.0, "abs": 0.0})
    history = str(tmp_path / "history")
    with Serverless(containers=2, history=history, planner=Uniform(numbers)) as client:
        told = client.plan(delayed(abs)(delayed(slow)(-1)))
        dask.compute(delayed(abs)(delayed(slow)(-1)), scheduler=client)
    assert told.timeline.makespan_seconds > 20.0
    assert client.last_run.vs_plan().outlook.timeline.makespan_seconds > 20.0


def test_what_cannot_be_planned_is_told_as_by_a_compute(serverless):
    with pytest.raises(TypeError, match=r"plan\(\) got 'int', in which there is nothing"):
        serverless.plan(42)
    with pytest.raises(TypeError, match=r"plan\(\) got nothing"):
        serverless.plan()

    class Broken:
        name = "broken"

        def plan(self, dag, resources):
            raise ZeroDivisionError("no")

    with pytest.raises(PlanRefused, match="broken"):
        serverless.options(planner=Broken()).plan(delayed(abs)(-1))


def test_goals_of_one_plan_are_keywords_as_of_a_compute(serverless):
    second = serverless.options(planner=Uniform(Constant(task_seconds=1.0)), deadline=0.5)
    with pytest.raises(PlanRefused, match="the deadline of 0.5 s"):
        second.plan(delayed(abs)(-1))
    assert second.plan(delayed(abs)(-1), deadline=None).prediction.makespan_seconds > 0.5
    assert second.plan(delayed(abs)(-1), deadline="1h", sla=90).model.sla == 90
    with pytest.raises(SettingsError, match=r"plan\(sla=\.\.\.\)"):
        second.plan(delayed(abs)(-1), sla=900)


def test_other_keywords_of_a_plan_are_refused_with_where_they_go(serverless):
    told = r"plan\(\) has no keyword 'planner': there are sla, deadline, budget.*options\("
    with pytest.raises(TypeError, match=told):
        serverless.plan(delayed(abs)(-1), planner="wukong")
