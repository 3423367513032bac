"""``Serverless.simulate``: what a collection would take on a backend that is made up."""

import time
from dataclasses import dataclass, field

import dask
import dask.array as da
import numpy as np
import pytest

from dask_serverless import Serverless
from dask_serverless.errors import PlanRefused, SettingsError
from dask_serverless.history.opening import open_history
from planners.auto import Auto
from planners.cost.platform import Platform, Prices
from planners.numbers.predictions import Constant
from planners.uniform import Uniform


@dataclass(frozen=True)
class Noting(Uniform):
    """Notes by which numbers, and for how many containers, it was asked to plan."""

    asked: list = field(default_factory=list)

    def plan(self, dag, resources):
        self.asked.append((self, resources.containers))
        return super().plan(dag, resources)


def test_it_tells_what_a_collection_takes_and_computes_nothing(serverless, tmp_path):
    @dask.delayed
    def touch(number):
        (tmp_path / str(number)).touch()

    found = serverless.simulate([touch(number) for number in range(4)], cold_start="2s")
    assert list(tmp_path.iterdir()) == []
    assert found.makespan_seconds > 2.0
    assert f"makespan     {found.makespan_seconds:.3f} s" in str(found)
    assert len(str(found).splitlines()) == 5
    assert "begun" not in repr(found)


def test_more_containers_and_a_nearer_store_take_less_time(serverless):
    x = da.ones((40, 40), chunks=(2, 2))
    graph = (x + x.T).sum()
    second = Constant(task_seconds=1.0)
    few = serverless.simulate(graph, predictions=second)
    many = serverless.simulate(graph, predictions=second, containers=100)
    far = serverless.simulate(graph, predictions=second, containers=100, store_rtt="1s")
    assert few.model.containers == 2
    assert many.makespan_seconds < few.makespan_seconds / 10
    assert far.makespan_seconds > many.makespan_seconds + 2.0


def test_tasks_take_what_was_measured_of_them(tmp_path):
    """And not what is made up where nothing is known: 10 ms."""
    tasks = [dask.delayed(time.sleep)(0.2) for _ in range(4)]
    with Serverless(containers=2, history=str(tmp_path / "history")) as scheduler:
        before = scheduler.simulate(tasks, containers=4, cold_start=0, store_rtt=0)
        dask.compute(tasks, scheduler=scheduler)
        after = scheduler.simulate(tasks, containers=4, cold_start=0, store_rtt=0)
        made_up = scheduler.simulate(tasks, predictions=Constant(task_seconds=3.0))
    assert before.makespan_seconds < 0.1
    assert 0.2 <= after.makespan_seconds < 3.0 <= made_up.makespan_seconds


def test_predictions_say_what_keywords_leave_open(serverless):
    numbers = Constant(cold_start_seconds=7.0, warm_start_seconds=3.0, bytes_per_second=5e6)
    model = serverless.simulate(dask.delayed(1), predictions=numbers, warm_start=2).model
    assert (model.cold_start, model.warm_start, model.upload) == (7.0, 2.0, 5e6)


def test_the_planner_plans_for_the_backend_that_is_asked_about():
    """And not for the one that is there: with cold starts for nothing, each task has a container."""
    numbers = Constant(task_seconds=0.2, task_output_bytes=8, cold_start_seconds=3.0)
    tasks = [dask.delayed(abs)(-number) for number in range(50)]
    planner = Noting(numbers, Platform(publish_seconds=5.0))
    with Serverless(containers=1, planner=planner) as scheduler:
        cold, free, warm, few = (
            scheduler.simulate(tasks, containers=100, **keywords)
            for keywords in (
                {"cold_start": "1 hour", "warm": 1},
                {"cold_start": 0},
                {"cold_start": "1 hour", "warm": 60},
                {"cold_start": 0, "concurrency": 5, "store_rtt": "2s", "upload": "5MB"},
            )
        )
    assert [found.containers for found in (cold, free, warm, few)] == [1, 50, 50, 5]
    by, containers = planner.asked[-1]
    assert containers == 5
    assert by.platform.publish_seconds == 2.0
    assert (by.predictions.upload().at(5e6), by.predictions.download().at(0)) == (3.0, 2.0)


def test_runs_here_say_what_tasks_take_but_not_what_comes_of_plans_elsewhere(tmp_path):
    """Their starts and transfers were those of this machine, and so were their makespans."""
    tasks = [dask.delayed(time.sleep)(0.05) for _ in range(4)]
    planner = Noting()
    with Serverless(containers=2, history=str(tmp_path / "history"), planner=planner) as scheduler:
        for _ in range(4):
            dask.compute(tasks, scheduler=scheduler)
        scheduler.simulate(tasks, cold_start="7s", store_rtt="3s")
    by, _ = planner.asked[-1]
    assert by.predictions.cold_start(1769).at() == 7.0
    assert by.predictions.upload().at(0) == 3.0
    assert by.predictions.knows_all(("time.sleep",))
    assert not by.outcomes


def test_the_same_question_has_the_same_answer_whatever_was_planned_before(tmp_path):
    """Plans of runs are remembered from the third on, and those of simulations never."""
    tasks = [dask.delayed(time.sleep)(0.01 * (number % 3)) for number in range(30)]
    with Serverless(containers=2, history=str(tmp_path / "history")) as scheduler:
        for _ in range(4):
            dask.compute(tasks, scheduler=scheduler)
        remembered = set(open_history(scheduler.settings).plans.plans)
        questions = ({}, {"containers": 20, "cold_start": 0.1}, {"cold_start_p95": "2s"})
        first, *others = [
            [scheduler.simulate(tasks, **question) for question in questions] for _ in range(4)
        ]
        assert set(open_history(scheduler.settings).plans.plans) == remembered
    for other in others:
        for one, again in zip(first, other, strict=True):
            assert one.plan == again.plan
            assert one.makespan_seconds == again.makespan_seconds
            assert one.cost == again.cost
            assert one.finished.tolist() == again.finished.tolist()


def test_no_clock_is_asked_how_long_a_simulation_may_be_planned():
    def broken():
        raise AssertionError("somebody looks at the clock")

    numbers = Constant(task_seconds=1.0)
    planner = Auto(numbers, clock=broken)
    graph = dask.delayed(sum)([dask.delayed(abs)(-number) for number in range(20)])
    with Serverless(containers=2, planner=planner) as scheduler:
        found = scheduler.simulate(graph, containers=10)
    assert found.plan.annotations[0].others  # several ways were tried


def test_a_planner_without_numbers_of_its_own_plans_by_the_predictions(serverless):
    tasks = [dask.delayed(abs)(-number) for number in range(20)]
    numbers = Constant(task_seconds=5.0)
    planned = serverless.options(planner="uniform").simulate(tasks, predictions=numbers)
    assert planned.plan.prediction.makespan_seconds == pytest.approx(
        planned.makespan_seconds, rel=0.05
    )


def test_predictions_are_asked_under_the_names_that_functions_have(tmp_path):
    def slow(number):
        return number

    numbers = Constant(seconds_of={"slow": 20.0})
    history = str(tmp_path / "history")
    with Serverless(containers=2, history=history, planner=Uniform(numbers)) as scheduler:
        assert scheduler.simulate(dask.delayed(slow)(1)).makespan_seconds > 20.0
        structural = scheduler.options(planner="structural")
        found = structural.simulate(dask.delayed(slow)(1), predictions=numbers)
        assert found.makespan_seconds > 20.0


def test_what_a_run_would_be_paid_for_is_what_a_simulation_is():
    """The setting is as good here as for plans and reports; a table of one's own comes before it."""
    graph = dask.delayed(abs)(-1)
    with Serverless(containers=1, prices={"gb_second": 2.0, "invocation": 10.0}) as scheduler:
        usual = scheduler.simulate(graph)
        other = scheduler.simulate(graph, prices={"gb_second": 3.0, "invocation": 0})
        same = scheduler.simulate(graph, prices=Prices(3.0, 0.0))
        view = scheduler.options(prices={"invocation": 7, "gb_second": 0}).simulate(graph)
    assert usual.cost == pytest.approx(2 * usual.gb_seconds + 10)
    assert other.cost == same.cost == pytest.approx(3 * other.gb_seconds)
    assert view.cost == 7.0


def test_several_collections_are_computed_together(serverless):
    first, second = dask.delayed(abs)(-1), dask.delayed(max)(2, 3)
    found = serverless.simulate(first, second, {"a": [first]}, containers=4)
    assert len(found.plan.bundles) == 2
    assert found.model.containers == 4


def test_a_dataframe_is_optimized_as_for_a_run(serverless):
    dd = pytest.importorskip("dask.dataframe")
    pandas = pytest.importorskip("pandas")
    frame = dd.from_pandas(pandas.DataFrame({"a": np.arange(100)}), npartitions=10)
    assert len(serverless.simulate(frame.a.sum()).plan.bundles) < 40


@pytest.mark.parametrize(
    ("collection", "keywords", "error", "message"),
    [
        (dask.delayed(1), {"store_rrt": "1ms"}, TypeError, "did you mean 'store_rtt'"),
        (dask.delayed(1), {"containers": 0}, SettingsError, "at least 1"),
        (dask.delayed(1), {"predictions": 3}, SettingsError, "predictions"),
        (dask.delayed(1), {"prices": {"gb_hour": 1}}, SettingsError, "gb_second, invocation"),
        (42, {}, TypeError, "nothing to compute"),
    ],
)
def test_what_cannot_be_simulated_is_told_in_one_error(
    serverless, collection, keywords, error, message
):
    with pytest.raises(error, match=message):
        serverless.simulate(collection, **keywords)


def test_a_keyword_whose_name_was_left_out_is_no_collection(serverless):
    with pytest.raises(TypeError, match="got 1000 beside a collection.*containers=1000"):
        serverless.simulate(dask.delayed(1), 1000)


def test_a_planner_that_fails_is_blamed_as_in_a_run():
    class Broken:
        name = "broken"

        def plan(self, dag, resources):
            raise ZeroDivisionError("no")

    with Serverless(containers=1, planner=Broken()) as scheduler:
        with pytest.raises(PlanRefused, match="broken"):
            scheduler.simulate(dask.delayed(abs)(-1))
