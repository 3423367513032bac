"""What a plan had said beside what came."""

from __future__ import annotations

import time
from dataclasses import fields

import dask
import dask.array as da
import numpy as np
import pytest
from dask import delayed
from dask.callbacks import Callback

from dask_serverless import Serverless
from dask_serverless.client.vs_plan import Pair, VsPlan
from dask_serverless.errors import NothingToCompare
from planners.cost.times import Spent
from planners.numbers.predictions import Constant
from planners.uniform import Uniform


def nap(seconds):
    time.sleep(seconds)
    return np.full(1000, seconds)


def naps(count, seconds=0.02):
    return delayed(sum)([delayed(np.sum)(delayed(nap)(seconds)) for _ in range(count)])


def compared(client, collection, **options):
    dask.compute(collection, scheduler=client, **options)
    return client.last_run.vs_plan()


PLANNERS = ["structural", "wukong", "uniform", "simple", "list_schedule", "non_uniform", "auto"]


@pytest.mark.parametrize("planner", PLANNERS)
def test_what_the_difference_is_made_of_adds_up_to_it(serverless, planner):
    x = da.random.default_rng(1).random((40, 40), chunks=10)
    told = compared(serverless.options(planner=planner), [naps(6), (x + x.T).sum()])
    for times, which in ((told.forecast, "forecast"), (told.measured, "measured")):
        makespan = getattr(told.makespan_seconds, which)
        assert times.spent.total == pytest.approx(makespan)
        assert sum(getattr(pair, which) for pair in told.causes.values()) == pytest.approx(makespan)
    assert set(told.causes) == {part.name for part in fields(Spent)}


@pytest.mark.parametrize(
    ("came", "shares"), [(8.0, ["150%", "-50%"]), (6.0001, ["", ""]), (6.0, ["", ""])]
)
def test_no_share_is_told_of_a_difference_whose_parts_cancel(came, shares):
    class Told(VsPlan):
        makespan_seconds = Pair(6.0, came)
        causes = {"running": Pair(4.0, 7.0), "learning": Pair(2.0, came - 7.0)}

    assert [row[-1] for row in Told(None, None).reasons()] == shares


def test_it_has_every_bundle_with_what_containers_told(serverless):
    told = compared(serverless.options(planner="wukong"), naps(6, 0.03))
    report = told.report
    assert [row.bundle for row in told.rows] == list(range(report.bundles))
    assert sum(row.tasks for row in told.rows) == report.tasks
    assert sum(row.ran.measured for row in told.rows) == pytest.approx(report.running)
    assert sorted(row.ran.measured > 0.03 for row in told.rows)[-6:] == [True] * 6
    assert max(row.finished.measured for row in told.rows) == report.makespan_seconds
    assert told.measured.makespan_seconds == pytest.approx(report.makespan_seconds)
    assert told.container_calls.forecast <= told.container_calls.measured + len(report.containers)


def test_tasks_that_take_longer_than_planned_are_the_reason(serverless):
    """Warm containers: nothing else takes long."""
    dask.compute([delayed(nap)(0.05) for _ in range(2)], scheduler=serverless)
    numbers = Constant(task_seconds=0.001, cold_start_seconds=0.0, warm_start_seconds=0.0)
    client = serverless.options(planner=Uniform(numbers))
    told = compared(client, naps(6, 0.1))
    name, pair = next(iter(told.causes.items()))
    assert name == "running"
    assert pair.more > 0.2 and told.makespan_seconds.more > 0.2
    assert "running tasks" in str(told).split("where the time")[1].splitlines()[3]


def test_it_prints_and_is_a_table_in_notebooks(serverless):
    told = compared(serverless.options(planner="wukong"), [naps(2) for _ in range(8)])
    text = str(told)
    assert text.startswith("wukong: forecast ")
    assert "the forecast is made up" in text
    assert f"the 20 of {len(told.rows)} bundles that differ most" in text
    assert repr(told) == text
    assert "<table>" in told._repr_html_()


def test_a_run_with_callbacks_and_one_after_a_loss_are_complete_too(tmp_path):
    def die_once(path):
        import os

        if not os.path.exists(path):
            open(path, "w").close()
            os._exit(1)
        return 1

    with Serverless(containers=2) as client, Callback():
        values = [delayed(die_once)(str(tmp_path / "dead")), naps(2)]
        told = compared(client, values)
    assert len(told.rows) == client.last_run.bundles
    assert told.measured.spent.total == pytest.approx(told.makespan_seconds.measured)


def test_what_did_not_come_to_its_end_is_not_compared(serverless):
    view = serverless.options(attempts=2)
    with pytest.raises(ZeroDivisionError):
        dask.compute(delayed(lambda: 1 / 0)(), scheduler=view)
    with pytest.raises(NothingToCompare, match="failed"):
        view.last_run.vs_plan()


def test_with_a_history_the_forecast_is_by_what_was_measured(tmp_path):
    with Serverless(containers=2, history=str(tmp_path / "history"), planner="auto") as client:
        for _ in range(2):
            told = compared(client, naps(6, 0.05))
    assert told.outlook.known
    assert 0.5 < told.task_seconds.measured / told.task_seconds.forecast < 2.0


def test_the_report_holds_no_data_of_the_run(serverless):
    import gc
    import weakref

    class Data:
        pass

    data = Data()
    seen = weakref.ref(data)
    dask.compute(delayed(lambda d: 1)(Data()), scheduler=serverless)
    graph = delayed(lambda d: 1)(data)
    dask.compute(graph, scheduler=serverless)
    del graph, data
    gc.collect()
    assert serverless.last_run.vs_plan() is not None
    assert seen() is None
