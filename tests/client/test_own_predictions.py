"""Predictions of one's own: what they say of functions counts in plans, outlooks and simulations alike."""

from __future__ import annotations

import warnings

import dask
import dask.array as da
import pytest
from dask import delayed

from dask_serverless import Serverless
from dask_serverless.client import ignored
from dask_serverless.client.planning import Planning
from dask_serverless.errors import PlanRefused
from dask_serverless.translation.translate import materialise, translate
from planners.auto import Auto
from planners.cost.platform import Platform
from planners.graph.dag import Dag
from planners.non_uniform import NonUniform
from planners.numbers.predictions import Constant
from planners.optimizations.optimization import Optimized
from planners.plans.plan import Resources
from planners.structural import Structural
from planners.uniform import Uniform

TASKS, SECONDS, CONTAINERS = 8, 20.0, 2
LEAST, MOST = TASKS * SECONDS / CONTAINERS, 1.1 * TASKS * SECONDS


@pytest.fixture(autouse=True)
def nothing_told_yet(monkeypatch):
    monkeypatch.setattr(ignored, "_told", set())


def simulate(number):
    return number


def collection():
    return delayed(sum)([delayed(simulate)(number) for number in range(TASKS)])


def optimized(numbers):
    return Optimized(Uniform(numbers), model=Uniform(numbers))


KEYS = ["simulate", f"{__name__}.simulate"]


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("history", [True, False])
@pytest.mark.parametrize(
    "planner", [Auto, Uniform, optimized], ids=["auto", "uniform", "optimized"]
)
def test_they_count_in_plan_and_outlook_by_any_name_of_the_function(
    serverless, planner, history, key, tmp_path
):
    numbers = Constant(seconds_of={key: SECONDS})
    past = history and str(tmp_path / "history")
    view = serverless.options(history=past, planner=planner(numbers))
    told = view.plan(collection())
    limited = view.options(deadline=10 * LEAST).plan(collection())
    beside = told.compare("uniform").plans[1]
    for foreseen in (told.plan.prediction, told.prediction, beside.prediction):
        assert LEAST <= foreseen.makespan_seconds < 1.1 * LEAST
    assert limited.plan.prediction.makespan_seconds >= LEAST


@pytest.mark.parametrize("key", KEYS)
def test_they_count_beside_what_came(serverless, key):
    view = serverless.options(planner=Uniform(Constant(seconds_of={key: SECONDS})))
    dask.compute(collection(), scheduler=view)
    told = view.last_run.vs_plan()
    assert told.makespan_seconds.forecast >= LEAST > told.makespan_seconds.measured


@pytest.mark.parametrize("key", KEYS)
def test_they_count_in_simulations(serverless, key):
    numbers = Constant(seconds_of={key: SECONDS})
    found = serverless.simulate(collection(), predictions=numbers)
    assert found.makespan_seconds >= LEAST
    view = serverless.options(planner=Uniform(numbers))
    assert view.simulate(collection()).makespan_seconds >= LEAST


def test_what_dask_fuses_takes_what_its_steps_take(serverless):
    numbers = Constant(task_seconds=0.0, seconds_of={"add": 1.0, "sin": 2.0})
    x = da.sin(da.ones(10, chunks=5) + 1)  # two tasks, each of both
    told = serverless.options(planner=Uniform(numbers)).plan(x)
    assert float(told.workload.seconds(0).max()) >= 3.0


def test_names_that_are_in_no_graph_are_told_once(serverless):
    numbers = Constant(seconds_of={"nobody": 1.0}, output_bytes_of={"none.simulate": 1.0})
    view = serverless.options(planner=Uniform(numbers))
    with pytest.warns(UserWarning, match=r"'nobody', 'none.simulate'. It has .*'simulate'") as told:
        view.plan(collection())
        dask.compute(collection(), scheduler=view)
    assert [each.filename for each in told] == [__file__]


def test_a_mistyped_name_is_told_beside_others_that_are_right(serverless):
    numbers = Constant(seconds_of={"simulat": 1.0, "sum": 1.0})
    with pytest.warns(UserWarning, match=r"no function of this graph: 'simulat'\."):
        serverless.simulate(collection(), predictions=numbers)


def test_names_for_other_graphs_are_not_told(serverless):
    numbers = Constant(seconds_of={"simulate": 1.0, "train": 1.0, "other.load": 1.0})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        serverless.options(planner=Uniform(numbers)).plan(collection())


class Looking:
    """A planner that goes by what functions are called."""

    name = "looking"

    def __init__(self):
        self.seen = []

    def plan(self, dag, resources):
        self.seen.append(dag.function_names)
        return Structural().plan(dag, resources)


@pytest.mark.parametrize("history", [True, False])
def test_a_planner_sees_the_same_names_whatever_the_settings(serverless, history, tmp_path):
    planner = Looking()
    view = serverless.options(history=history and str(tmp_path / "history"), planner=planner)
    names = view.plan(collection()).dag.function_names
    with pytest.warns(UserWarning, match="nothing was measured"):
        view.options(deadline=100.0).plan(collection())
    assert any(name.startswith(f"{__name__}.simulate#") for name in names)
    assert planner.seen == [names, names]


NUMBERS = Constant(seconds_of={"simulate": SECONDS})


@pytest.mark.parametrize("planner", [Auto, NonUniform])
@pytest.mark.parametrize("goals", [{"deadline": 100 * LEAST}, {"budget": 1.0}], ids=str)
def test_with_a_goal_no_size_is_chosen_that_containers_do_not_have(serverless, planner, goals):
    """Own numbers were planned for by all of AWS Lambda's sizes: a plan for 256 MB, seven times as
    slow, was "within the budget" on containers that are all alike."""
    view = serverless.options(history=False, planner=planner(NUMBERS), **goals)
    told = view.plan(collection())
    assert set(told.plan.memory_mb.tolist()) == {Platform.default_memory_mb}
    assert told.plan.prediction.makespan_seconds < MOST  # in turns, in one container
    assert LEAST <= view.simulate(collection()).makespan_seconds < MOST


def test_what_goals_call_possible_is_possible_here(serverless):
    view = serverless.options(history=False, planner=Auto(NUMBERS), budget=1e-9)
    with pytest.raises(PlanRefused) as refused:
        view.plan(collection())
    reason = refused.value.reason
    assert LEAST <= reason.cheapest.makespan_seconds < MOST
    assert "1769 MB" in reason.cheapest_by


def test_they_are_planned_by_in_the_sizes_that_there_are():
    graph = collection()
    translation = translate(materialise(graph.__dask_graph__()), graph.__dask_keys__())
    told = Planning(Auto(NUMBERS, budget=1.0), 2, sizes_mb=(640, 2048)).plan(translation)
    assert set(told.plan.memory_mb.tolist()) <= {640, 2048}


def test_a_task_that_needs_more_than_usual_has_it_where_there_are_no_sizes():
    dag = Dag.from_edges(3, [0, 1], [2, 2], function_names=("simulate",))
    large = Auto(Constant(task_peak_bytes=4e9))
    plan = Auto.of(Planning(large, 2).model(dag)).plan(dag, Resources(2))
    assert set(plan.memory_mb.tolist()) == {10_240}


def test_a_budget_is_judged_by_the_prices_that_are_paid(serverless):
    view = serverless.options(history=False, planner=Auto(NUMBERS), prices={"gb_second": 1.0})
    cost = view.plan(collection()).prediction.cost
    assert cost > LEAST
    with pytest.raises(PlanRefused):
        view.plan(collection(), budget=cost / 2)


def test_containers_that_are_there_already_do_not_start_cold(serverless):
    view = serverless.options(history=False, planner=Auto(NUMBERS))
    dask.compute(collection(), scheduler=view)
    assert view.plan(collection()).plan.prediction.cold_starts == 0


def test_starts_are_forecast_as_they_were_when_the_run_was_planned(store_url):
    with Serverless(containers=2, history=False, planner=Auto(NUMBERS)) as cold:
        dask.compute(collection(), scheduler=cold)
        assert cold.last_run.vs_plan().cold_starts.forecast == CONTAINERS
