"""Any planner's plan of any graph, with all optimizations, ends though containers are killed."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
import pytest
from dag_shapes import diamond, layered, random_dag, series_parallel
from killing import check_counted, lives

from dask_serverless.simulation.model import BackendModel
from planners.cost.model import CostModel
from planners.cost.platform import Platform
from planners.numbers.predictions import Constant
from planners.optimizations.optimization import Optimized
from planners.plans.plan import Resources
from planners.registry import BUILT_IN, planner_named

MB = 1_000_000
KINDS = 7  # of functions


def dense(seed, tasks):
    """Each task takes many of those before it."""
    return random_dag(seed, tasks, span=tasks, most_inputs=8)


def diamonds(seed, tasks):
    """One after another, some of them within others' sides."""
    return series_parallel(1000 + seed, tasks) if tasks > 5 else diamond()


SHAPES = {
    "series-parallel": series_parallel,
    "layered": layered,
    "dense": dense,
    "diamonds": diamonds,
}


def named(dag, random):
    functions = np.array([random.randrange(KINDS) for _ in range(dag.tasks)], dtype=np.int32)
    names = tuple(f"f{number}" for number in range(KINDS))
    return replace(dag, functions=functions, function_names=names)


def numbers(random):
    """Some outputs take as long to move as tasks take to run, and some are next to nothing."""
    names = [f"f{number}" for number in range(KINDS)]
    return Constant(
        seconds_of={name: random.choice([0.001, 0.02, 0.1, 0.5]) for name in names},
        output_bytes_of={name: random.choice([100, MB, 8 * MB, 30 * MB]) for name in names},
        transfer_latency_seconds=0.001,
        bytes_per_second=100 * MB,
        cold_start_seconds=random.choice([0.0, 0.2]),
        warm_start_seconds=0.003,
    )


def planner(name, model):
    made = planner_named(name).planner
    if isinstance(made, CostModel):
        made = type(made).of(model)
    return made if name == "auto" else Optimized(made, model=model)


def world(shape, name, seed):
    random = Random(f"{shape} {name} {seed}")
    dag = named(SHAPES[shape](seed, random.randrange(4, 40)), random)
    containers = random.randrange(1, 6)
    model = CostModel(numbers(random), Platform())
    plan = planner(name, model).plan(dag, Resources(containers))
    workload = model.workload(dag)
    backend = BackendModel.of(model.platform, workload, containers, 1769)
    until = 1.5 * model.timeline(plan, workload, Resources(containers)).makespan_seconds
    killed = lives(workload, plan, backend, model.platform, random, random.randrange(5), until)
    check_counted(killed)
    return plan, killed


@pytest.mark.parametrize("name", sorted(BUILT_IN))
@pytest.mark.parametrize("shape", SHAPES)
def test_every_run_ends_and_every_bundle_is_done_once(shape, name):
    worlds = [world(shape, name, seed) for seed in range(12)]
    assert sum(len(killed.gone) for _, killed in worlds) >= 6  # else nothing was said of kills
