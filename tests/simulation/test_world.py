"""A graph, a plan and a backend of round numbers → when everything happens."""

from random import Random

import numpy as np
import pytest
from worlds import check_conserved, graph, lived, one_each

from dask_serverless.simulation.model import BackendModel
from dask_serverless.simulation.simulation import simulate
from planners.numbers.predictions import Constant
from planners.numbers.workload import Workload
from planners.plans.plan import Resources
from planners.registry import planner_named

CHAIN = graph((), (0,), (1,))
FAN_OUT = graph((), (0,), (0,), (0,))
FAN_IN = graph((), (), (0, 1))
APART = graph((), (), ())
BYTES = Constant(task_seconds=1.0, task_output_bytes=100e6)  # a second each way


@pytest.mark.parametrize(
    ("dag", "slots", "keywords", "makespan", "cold", "warm"),
    [
        (graph(()), None, {}, 1.5, 1, 0),
        (CHAIN, None, {}, 3.5, 1, 0),  # one container goes on and on
        (FAN_OUT, None, {}, 3.5, 2, 0),  # the second one comes at 2, and runs one of three
        (FAN_OUT, None, {"containers": 1}, 4.5, 1, 0),
        # The client invites before it submits: whoever comes first does not invite them once more.
        (FAN_IN, None, {}, 2.5, 2, 0),
        (APART, None, {"containers": 3}, 1.5, 3, 0),
        (CHAIN, [0, 1, 0], {}, 3.5, 1, 0),  # who is free takes a slot that is nobody's
        # Each waits for the other's bundle, the first to leave is invited again for its own slot.
        (graph((), (), (0,), (1,)), [0, 1, 1, 0], {}, 2.6, 2, 1),
        (graph(()), None, {"warm": 1}, 1.1, 0, 1),
        (APART, None, {"warm": 2}, 2.1, 0, 2),
        (APART, None, {"containers": 3, "concurrency": 1}, 3.5, 1, 2),
        (graph(()), None, {"invocation": 0.2}, 1.7, 1, 0),
        (graph(()), None, {"store_rtt": 0.4}, 2.1, 1, 0),  # there and back, and there
        (FAN_IN, None, {"store_service": 0.2}, 3.3, 2, 0),  # claims at 0.7 and 0.9, then at 1.9, …
    ],
)
def test_when_the_last_output_is_stored(dag, slots, keywords, makespan, cold, warm):
    simulation = lived(dag, one_each(dag, slots), **keywords)
    assert simulation.makespan_seconds == pytest.approx(makespan)
    assert (simulation.cold_starts, simulation.warm_starts) == (cold, warm)
    check_conserved(simulation, dag)


def test_a_container_does_not_fetch_what_it_has_made_itself():
    simulation = lived(FAN_IN, predictions=BYTES, upload_latency=0, download_latency=0)
    assert simulation.begun.tolist() == pytest.approx([0.5, 0.5, 2.5])  # 1.5: ran, 2.5: stored
    assert simulation.fetched[2] == pytest.approx(3.5)
    assert simulation.makespan_seconds == pytest.approx(5.5)
    assert (simulation.bytes_up, simulation.bytes_down) == (300e6, 100e6)


def test_what_is_paid_for_is_the_time_from_start_to_leaving():
    simulation = lived(graph(()))
    assert simulation.gb_seconds == pytest.approx(1.5 * 1769 / 1024)
    assert simulation.cost == pytest.approx(simulation.gb_seconds * 0.0000166667 + 0.0000002)
    assert simulation.store_calls == 3  # a claim, the client's look after a second, and publish


def test_no_tasks_take_no_time():
    dag = graph()
    simulation = lived(dag)
    assert simulation.makespan_seconds == 0 and simulation.store_calls == 0


def random_dag(random, tasks=60):
    return graph(
        *(
            tuple(sorted(random.sample(range(task), min(task, random.choice([0, 1, 1, 2, 5])))))
            for task in range(tasks)
        )
    )


def random_world(seed):
    random = Random(seed)
    dag = random_dag(random)
    containers = random.randint(1, 8)
    name = random.choice(["wukong", "structural", "simple", "uniform", "list_schedule", ""])
    slots = [random.randrange(-1, 5) for _ in range(dag.tasks)]
    plan = planner_named(name).plan(dag, Resources(containers)) if name else one_each(dag, slots)
    model = BackendModel(
        containers=containers,
        concurrency=random.choice([None, 3]),
        warm=random.choice([0, 2]),
        cold_start=random.choice(["0s", "500ms", 5.0]),
        cold_start_p95=random.choice([None, 9]),
        store_rtt=random.choice([0, "1ms"]),
        store_service=random.choice([0, "200us"]),
        keep_alive=random.choice([0.3, 300]),
        seed=seed,
    )
    return dag, plan, model


@pytest.mark.parametrize("first", range(0, 200, 50))
def test_in_any_world_every_bundle_runs_once_after_its_inputs_and_alone(first):
    for seed in range(first, first + 50):
        dag, plan, model = random_world(seed)
        workload = Workload.predict(dag, Constant(task_seconds=0.3))
        check_conserved(simulate(workload, plan, model), dag)


@pytest.mark.parametrize("seed", range(5))
def test_the_same_seed_gives_the_same_world(seed):
    dag, plan, model = random_world(seed)
    one, other = (simulate(Workload.predict(dag, Constant()), plan, model) for _ in range(2))
    assert np.array_equal(one.finished, other.finished)
    assert np.array_equal(one.container, other.container)
    assert str(one) == str(other)


def test_another_seed_draws_other_cold_starts():
    spans = {
        lived(graph(()), cold_start="1s", cold_start_p95="4s", seed=seed).makespan_seconds
        for seed in range(10)
    }
    assert len(spans) == 10
