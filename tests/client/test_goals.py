"""SLA, deadline and budget: per object, per view, per compute; and what nobody can keep."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import warnings

import dask
import dask.array as da
import pytest
from dask import delayed

from dask_serverless import Serverless
from dask_serverless.client import ignored
from dask_serverless.errors import PlanRefused, SettingsError
from planners.auto import Auto
from planners.cost.model import CostModel
from planners.errors import GoalError
from planners.numbers.predictions import Constant
from planners.optimizations.optimization import Optimized
from planners.uniform import Uniform

SECOND = Constant(task_seconds=1.0, cold_start_seconds=0.0)


@pytest.fixture(autouse=True)
def nothing_told_yet(monkeypatch):
    monkeypatch.setattr(ignored, "_told", set())


def nap(seconds):
    time.sleep(seconds)
    return seconds


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    """A client that knows how long a nap takes."""
    path = str(tmp_path_factory.mktemp("goals") / "history")
    with Serverless(containers=2, history=path) as client:
        dask.compute([delayed(nap)(0.05) for _ in range(4)], scheduler=client)
        yield client


def naps():
    return [delayed(nap)(0.05) for _ in range(4)]


@pytest.mark.parametrize("planner", ["auto", "structural", "uniform", "wukong"])
def test_an_impossible_deadline_says_what_is_possible_whoever_plans(learned, planner):
    client = learned.options(planner=planner)
    with pytest.raises(PlanRefused, match="no plan meets the deadline of 0.001 s") as caught:
        dask.compute(naps(), scheduler=client, deadline="1ms")
    assert isinstance(caught.value.reason, GoalError)
    assert caught.value.reason.fastest.makespan_seconds > 0.1
    assert "settings deadline and budget" in str(caught.value)
    assert dask.compute(naps(), scheduler=client, deadline="1h") == ([0.05] * 4,)
    assert client.last_run.plan.prediction.makespan_seconds < 3600


@pytest.mark.parametrize("planner", ["auto", "structural"])
def test_an_impossible_budget_says_what_is_possible(learned, planner):
    with pytest.raises(PlanRefused, match="the budget of 1e-09") as caught:
        dask.compute(naps(), scheduler=learned.options(planner=planner, budget=1e-9))
    assert caught.value.reason.cheapest.cost > 1e-9


def test_goals_of_a_view_and_of_a_compute_come_before_those_of_the_object(learned):
    strict = learned.options(planner="auto", deadline=0.001)
    with pytest.raises(PlanRefused):
        strict.plan(naps())
    assert strict.options(deadline="1h").plan(naps()).plan.prediction is not None
    assert dask.compute(naps(), scheduler=strict, deadline=None) == ([0.05] * 4,)
    with strict, pytest.raises(PlanRefused):
        da.ones(4, chunks=2).map_blocks(nap, dtype="f8").persist(deadline=0.0005)


def test_percentiles_are_those_of_what_was_measured(learned):
    for number in range(6):
        dask.compute(delayed(nap)(0.01 + 0.02 * number), scheduler=learned)
    average, ninety = (learned.options(planner="auto", sla=sla).plan(naps()) for sla in (None, 90))
    assert ninety.prediction.makespan_seconds > average.prediction.makespan_seconds
    structural = learned.options(planner="structural", sla=90).plan(naps())
    assert structural.model.sla == 90


def test_a_planner_of_the_users_keeps_its_goals_unless_others_are_told():
    with Serverless(containers=2, planner=Auto(SECOND, deadline=0.1)) as client:
        with pytest.raises(PlanRefused, match="deadline of 0.1 s"):
            client.plan(naps())
        told = client.options(deadline=100.0, sla=90).plan(naps())
        assert told.plan.prediction.makespan_seconds < 100
        with pytest.raises(PlanRefused, match=r"the fastest takes .* \(uniform\)"):
            client.options(planner=Uniform(SECOND), deadline=0.1).plan(naps())


def test_none_in_a_keyword_takes_back_what_a_planner_of_the_users_says():
    strict = Auto(SECOND, sla=90, deadline=0.1, budget=1e-9)
    none = dict.fromkeys(("sla", "deadline", "budget"))
    with Serverless(containers=2, history=False, planner=strict) as client:
        for told in (client.plan(naps(), **none), client.options(**none).plan(naps())):
            assert told.plan.prediction.makespan_seconds > 0.1
            assert told.model.sla == "average"
        assert dask.compute(naps(), scheduler=client, **none) == ([0.05] * 4,)
        with pytest.raises(PlanRefused, match="the budget of 1e-09"):
            dask.compute(naps(), scheduler=client.options(deadline=None))
        with pytest.raises(PlanRefused, match="the deadline of 0.2 s"):
            client.options(**none).plan(naps(), deadline=0.2)
        around = Optimized(planner=Auto(SECOND, deadline=0.1), model=CostModel(SECOND))
        assert client.options(planner=around, **none).plan(naps()).plan.prediction is not None
    with Serverless(containers=2, history=False, planner=strict, **none) as client:
        assert client.plan(naps()).plan.prediction.makespan_seconds > 0.1
        assert client.simulate(naps()).makespan_seconds > 0.1


def test_null_of_a_configuration_is_as_if_nothing_was_said():
    strict = Auto(SECOND, deadline=0.1)
    with dask.config.set({"serverless.deadline": None}), pytest.raises(PlanRefused):
        with Serverless(containers=2, history=False, planner=strict) as client:
            client.plan(naps())
    with dask.config.set({"serverless.deadline": 0.1}):
        with Serverless(containers=2, history=False, planner=Auto(SECOND), deadline=None) as client:
            assert client.plan(naps()).plan.prediction.makespan_seconds > 0.1


def test_a_planner_that_returns_lists_is_judged_too(learned):
    class Lists:
        name = "lists"

        def plan(self, dag, resources):
            from planners.plans.plan import Plan

            return Plan(self.name, [0] * dag.tasks, [-1], [0])

    client = learned.options(planner=Lists())
    assert client.options(deadline="1h").plan(naps()).plan.prediction is not None
    with pytest.raises(PlanRefused, match="lists"):
        client.options(deadline="1ms").plan(naps())


def test_what_cannot_be_judged_is_said_once_and_goes_on(serverless):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(2):
            assert dask.compute(delayed(abs)(-1), scheduler=serverless, deadline="1s") == (1,)
    (warning,) = caught
    assert "deadline=1 s can be kept is not known" in str(warning.message)
    assert "history=True" in str(warning.message)
    assert warning.filename == __file__


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sla", 0),
        ("sla", "p90"),
        ("deadline", "soon"),
        ("deadline", -1),
        ("deadline", "1e400s"),
        ("budget", float("nan")),
    ],
)
def test_a_goal_that_means_nothing_is_named_where_it_was_given(serverless, name, value):
    with pytest.raises(SettingsError, match=rf"compute\({name}=...\) is"):
        dask.compute(delayed(abs)(-1), scheduler=serverless, **{name: value})
    with pytest.raises(SettingsError, match=rf"options\({name}=...\) is"):
        serverless.options(**{name: value})


def test_a_mistyped_goal_is_refused(serverless):
    with pytest.raises(TypeError, match="did you mean 'deadline'"):
        dask.compute(delayed(abs)(-1), scheduler=serverless, dedline=3)


def test_the_environment_says_goals():
    script = (
        "from dask_serverless.config import Settings; s = Settings.gather(); "
        "print(s.sla, s.deadline, s.budget)"
    )
    told = {"SLA": "90", "DEADLINE": "30s", "BUDGET": "0.5"}
    output = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, **{f"DASK_SERVERLESS__{name}": told[name] for name in told}},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert output.split() == ["90", "30.0", "0.5"]


def test_sizes_of_containers_that_a_planner_of_the_users_asks_for_are_named_once(serverless):
    class Sized:
        name = "sized"

        def plan(self, dag, resources):
            from planners.plans.plan import Plan

            return Plan(self.name, [0] * dag.tasks, [-1], [4096])

    client = serverless.options(planner=Sized())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(2):
            dask.compute(delayed(abs)(-1), scheduler=client)
    (warning,) = caught
    assert "'sized' asks for memory_mb" in str(warning.message)


def test_functions_that_were_never_measured_refuse_no_run(tmp_path):
    """A graph of one known function and a new one was refused a deadline of three seconds, as each task of
    the new one was guessed to take 10 ms and to leave 1 MB; it takes hundredths of that.
    """
    new = delayed(sum)([delayed(abs)(-number) for number in range(1000)])
    for planner in ("auto", "structural"):
        with Serverless(containers=2, planner=planner, history=str(tmp_path / planner)) as client:
            dask.compute(delayed(nap)(0.01), scheduler=client)
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                got = dask.compute(new, delayed(nap)(0.01), scheduler=client, deadline=3)
            assert got == (sum(range(1000)), 0.01)
            assert client.last_run.plan.prediction.makespan_seconds > 3
            if planner == "auto":  # once
                told = [str(one.message) for one in caught if "deadline" in str(one.message)]
                assert len(told) == 1, told
                assert "some of these functions were never measured" in told[0]
