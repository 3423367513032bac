"""What a backend says of its sizes' cores reaches plans: a fixed share makes no size faster."""

from __future__ import annotations

import dask
import pytest

from dask_serverless import Serverless
from dask_serverless.client.planning import Planning
from dask_serverless.history.archive import MemoryArchive
from dask_serverless.history.history import History
from dask_serverless.history.observations import Calls, Observations, Sample
from planners.graph.dag import Dag
from planners.numbers.predictions import Constant
from planners.registry import planner_named
from planners.uniform import Uniform

SIZES = 256, 512, 2048
FIXED = tuple((size, 0.5) for size in SIZES)
DAG = Dag.from_edges(3, [0, 1], [2, 2], function_names=("f",))


def forecast(planning):
    predictions = planning.model(DAG).predictions
    return [predictions.seconds("f", size).at() for size in SIZES]


def planned(planner="auto", history=None, **options):
    planner = planner_named(planner) if isinstance(planner, str) else planner
    return Planning(planner, 2, history, **{"sizes_mb": SIZES, **options})


@pytest.mark.parametrize("samples", [1, 60], ids=["a few", "enough of one size"])
def test_what_was_measured_in_one_size_holds_for_all_that_have_the_same_cores(samples):
    history = History(MemoryArchive())
    calls = Calls(samples, samples * 1.0, [Sample(512.0, 0.0, 1.0, 0.0, 0.0)] * samples)
    history.record(Observations({"f": calls}))
    assert forecast(planned(history=history, cores=FIXED)) == pytest.approx([1.0] * 3)
    by_memory = forecast(planned(history=history))
    assert by_memory == pytest.approx([2.0, 1.0, 512 / 1769])


@pytest.mark.parametrize("history", [None, History(MemoryArchive())], ids=["none", "empty"])
def test_what_is_made_up_is_so_for_all_sizes_alike(history):
    assert forecast(planned(history=history, cores=FIXED)) == [0.02] * 3


def test_numbers_of_the_users_stand_as_they_are():
    numbers = Constant(task_seconds=1.0)
    found = forecast(planned(Uniform(numbers), cores=FIXED))
    assert found == [numbers.seconds("f", size).at() for size in SIZES]


def test_where_all_containers_are_alike_no_size_is_faster_or_missing():
    """A backend with one size was planned for as if it had all of AWS Lambda's."""
    history = History(MemoryArchive())
    calls = Calls(60, 60.0, [Sample(0.0, 0.0, 1.0, 0.0, 0.0)] * 60)
    history.record(Observations({"f": calls}))
    model = planned(history=history, sizes_mb=()).model(DAG)
    sizes = model.platform.memory_sizes_mb
    assert {round(model.predictions.seconds("f", size).at(), 6) for size in sizes} == {1.0}
    assert min(sizes) == model.platform.default_memory_mb and max(sizes) > 100_000


class Told:
    """A backend with sizes, as far as anybody asks before it is used."""

    same_host, containers, answer_seconds = False, 1, 2.0
    sizes_mb, cores = SIZES, FIXED

    def start(self): ...

    def invoke(self, invitation, count=1): ...

    def watch(self, run, gone): ...

    def stop(self, run, settled):
        settled()

    def forget(self, run): ...

    def close(self): ...


def test_a_backend_says_it():
    with Serverless(backend=Told(), history=False) as client:
        model = client.plan(dask.delayed(abs)(-1)).model
    assert len({model.predictions.seconds("abs", size).at() for size in SIZES}) == 1
