"""``Serverless.simulate``: what a collection would take on a backend that is made up."""

import time

import dask
import dask.array as da
import numpy as np
import pytest

from dask_serverless import Serverless
from dask_serverless.errors import PlanRefused, SettingsError
from planners.numbers.predictions import Constant


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
        (42, {}, TypeError, "nothing to compute"),
    ],
)
def test_what_cannot_be_simulated_is_told_in_one_error(
    serverless, collection, keywords, error, message
):
    with pytest.raises(error, match=message):
        serverless.simulate(collection, **keywords)


def test_a_planner_that_fails_is_blamed_as_in_a_run():
    class Broken:
        name = "broken"

        def plan(self, dag, resources):
            raise ZeroDivisionError("no")

    with Serverless(containers=1, planner=Broken()) as scheduler:
        with pytest.raises(PlanRefused, match="broken"):
            scheduler.simulate(dask.delayed(abs)(-1))
