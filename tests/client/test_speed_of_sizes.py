"""What a backend says of its sizes' cores reaches plans: a fixed share makes no size faster."""

from __future__ import annotations

from dataclasses import replace

import dask
import pytest

from dask_serverless import Serverless
from dask_serverless.client.planning import Planning
from dask_serverless.history.archive import MemoryArchive
from dask_serverless.history.history import History
from dask_serverless.history.identity import identity
from dask_serverless.history.observations import Calls, Observations, Sample
from dask_serverless.simulation.what_if import known
from dask_serverless.translation.translate import materialise, translate
from planners.aimed import informed
from planners.cost.model import CostModel
from planners.graph.dag import Dag
from planners.numbers.predictions import Constant
from planners.optimizations.optimization import Optimized
from planners.plans.plan import Resources
from planners.registry import planner_named
from planners.structural import Structural
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


@pytest.mark.parametrize("past", [None, 0.0], ids=["nothing known", "measured"])
def test_one_known_size_is_what_is_planned_and_paid(past):
    """It was planned and paid for as 1,769 MB, until runs had taught how far that was off."""
    history = History(MemoryArchive())
    if past is not None:
        calls = Calls(60, 60.0, [Sample(past, 0.0, 1.0, 0.0, 0.0)] * 60)
        history.record(Observations({"f": calls}))
    usual, small = (
        planned(history=history, sizes_mb=(), memory_mb=size).model(DAG) for size in (0, 512)
    )
    assert small.platform.memory_sizes_mb == (512,)
    plans = [Structural().plan(DAG, Resources(2)) for _ in range(2)]
    here, there = (
        model.timeline(plan, model.workload(DAG), Resources(2)).prediction()
        for model, plan in zip((usual, small), plans, strict=True)
    )
    assert there.makespan_seconds == here.makespan_seconds  # what was measured, was measured in it
    assert there.gb_seconds == pytest.approx(here.gb_seconds * 512 / 1769)


@pytest.mark.parametrize(
    "cores, seconds",
    [((), 1769 / 512), (((512, 1.0),), 1.0), (((512, 0.5),), 1769 / 884)],
    ids=["AWS Lambda", "a core of its own", "half a core"],
)
def test_numbers_of_the_users_go_by_the_cores_of_one_known_size(cores, seconds):
    numbers = Uniform(Constant(task_seconds=1.0))
    model = planned(numbers, sizes_mb=(), memory_mb=512, cores=cores).model(DAG)
    assert model.workload(DAG).seconds(512).tolist() == pytest.approx([seconds] * 3)


def test_local_containers_have_one_speed_whatever_their_size():
    task = dask.delayed(abs)(-1)
    numbers = Uniform(Constant(task_seconds=20.0, warm_start_seconds=0, cold_start_seconds=0))
    with Serverless(containers=1, memory="512 MiB", history=False, planner=numbers) as client:
        told = client.plan(task)
        assert told.plan.memory_mb.tolist() == [512]
        assert 20 <= told.prediction.makespan_seconds < 21
        assert 10 <= told.prediction.gb_seconds < 10.5
        simulated = client.simulate(task, containers=1)
    assert 20 <= simulated.makespan_seconds < 21


def test_what_is_around_a_planner_knows_the_sizes_as_well():
    """Optimizations were judged by all of AWS Lambda's sizes, whatever the backend's."""
    numbers = Constant(task_seconds=1.0)
    sizes = Planning(Optimized(Uniform(numbers), model=CostModel(numbers)), 2, sizes_mb=SIZES)
    for planner in sizes.planner, Optimized(Uniform(numbers)):
        planning = replace(sizes, planner=planner)
        told = informed(planner, planning.model(DAG))
        for model in told.model, told.planner:
            assert model.platform.memory_sizes_mb == SIZES
            assert model.predictions == numbers


def test_numbers_that_simulate_was_given_go_by_the_one_known_size():
    numbers = Constant(task_seconds=20.0)
    with Serverless(containers=1, memory="512 MiB", history=False) as client:
        told = client.simulate(dask.delayed(abs)(-1), predictions=numbers)
    assert 20 <= told.makespan_seconds < 22
    planning = planned(sizes_mb=(), memory_mb=512)
    _, model = known(planning, translated(dask.delayed(abs)(-1)), numbers)
    assert model.workload(DAG).seconds(512).tolist() == pytest.approx([20 * 1769 / 512] * 3)


def test_what_is_around_a_planner_asks_the_history_if_it_was_told_nothing():
    history = History(MemoryArchive())
    calls = Calls(60, 60.0, [Sample(0.0, 0.0, 1.0, 0.0, 0.0)] * 60)
    history.record(Observations({f"{identity(nap)}": calls}))
    translation = translated(dask.delayed(nap)(0))
    plan = planned(Optimized(Uniform()), history, sizes_mb=()).plan(translation).plan
    assert 1.0 <= plan.prediction.makespan_seconds < 5.0


def nap(number):
    return number


def translated(collection):
    return translate(materialise(collection.__dask_graph__()), collection.__dask_keys__())


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
