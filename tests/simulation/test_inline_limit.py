"""What travels inline is never kept or fetched ahead: plans and simulations go by the user's limit."""

from __future__ import annotations

from dataclasses import replace

import dask
import numpy as np
import pytest
from worlds import graph, one_each

from dask_serverless import Serverless
from dask_serverless.simulation.model import BackendModel
from dask_serverless.simulation.simulation import simulate
from planners.cost.model import CostModel
from planners.cost.platform import Platform
from planners.numbers.predictions import Constant
from planners.optimizations.optimization import ALL, Optimized, optimize
from planners.plans.annotations import CheckFanIn, PreloadInputs
from planners.plans.plan import Resources
from planners.wukong import Wukong

MB = 1_000_000
NUMBERS = Constant(task_seconds=0.1, task_output_bytes=4 * MB, cold_start_seconds=0.0)


def lived(nbytes, platform, *notes):
    """Two tasks for a third one, which is wanted; one of them comes later."""
    names, functions = ("soon", "late", "sum"), np.arange(3, dtype=np.int32)
    dag = replace(graph((), (), (0, 1)), functions=functions, function_names=names)
    seconds = {"soon": 0.1, "late": 1.0, "sum": 0.1}
    numbers = Constant(seconds_of=seconds, task_output_bytes=nbytes, output_bytes_of={"sum": 0.0})
    backend = BackendModel(containers=2, store_rtt=0.0, cold_start=0.0, warm_start=0.0)
    plan = one_each(dag).with_annotations(dag, notes)
    return simulate(CostModel(numbers).workload(dag), plan, backend, platform)


@pytest.mark.parametrize(("inline_bytes", "stored"), [(16 << 10, 4 * MB), (8 * MB, 8 * MB)])
def test_a_fan_in_takes_a_large_output_from_memory_and_an_inline_one_from_the_call(
    inline_bytes, stored
):
    assert lived(4 * MB, Platform(inline_bytes=inline_bytes)).bytes_up == stored


def test_with_a_limit_of_nothing_small_outputs_are_kept_too():
    platforms, look = [Platform(inline_bytes=limit) for limit in (0, 100)], CheckFanIn(0.0, 1, 2)
    stored = [lived(100, platform, look).bytes_up for platform in platforms]
    assert stored == [100, 200]


@pytest.mark.parametrize(("inline_bytes", "ahead"), [(16 << 10, True), (8 * MB, False)])
def test_nothing_inline_is_fetched_ahead(inline_bytes, ahead):
    """Task 2 comes after 0 in its container, which waits for a longer one than 1 takes."""
    dag = graph((), (), (), (0, 1, 2))
    numbers = Constant(task_seconds=1.0, task_output_bytes=4 * MB, bytes_per_second=10 * MB)
    plan = one_each(dag, [0, 1, 1, 0])
    notes = (PreloadInputs(0.0, 3, (1,)),)
    plan = plan.with_annotations(dag, notes)
    backend = BackendModel(containers=2, store_rtt=0.0, download=10 * MB)
    platform = Platform(inline_bytes=inline_bytes)
    found = simulate(CostModel(numbers).workload(dag), plan, backend, platform)
    seconds = found.fetched[3] - found.begun[3]
    assert seconds == pytest.approx(0.4 if ahead else 0.8)


@pytest.mark.parametrize(("inline_bytes", "asked"), [(16 << 10, True), (8 * MB, False)])
def test_optimizations_ask_for_nothing_that_does_not_wait(inline_bytes, asked):
    """Of many shapes: fan-ins, and slots whose container is there before its inputs."""
    dag = graph((), (), (0, 1), (2,), (2,), (3, 4), (0, 5))
    platform = Platform(inline_bytes=inline_bytes, ask_bytes=1e12)
    model, resources = CostModel(NUMBERS, platform), Resources(2)
    kinds = set()
    for planner in (Wukong(), Slotted()):
        timeline = model.timeline(planner.plan(dag, resources), model.workload(dag), resources)
        for optimization in ALL:
            if optimization.name in ("clustering", "delayed_io", "preload", "streaming"):
                better = optimize(timeline, resources, (optimization,))
                kinds |= {type(note).__name__ for note in better.plan.annotations}
    waiting = {"CheckFanIn", "HoldOutput", "PreloadInputs", "StreamInputs", "StreamOutputs"}
    assert bool(kinds & waiting) == asked


class Slotted:
    name = "slotted"

    def plan(self, dag, resources):
        return one_each(dag, np.arange(dag.tasks) % 2)


def soon():
    return np.zeros(MB // 2)


def late():
    return np.zeros(MB // 2)


def fan_in():
    return dask.delayed(len)([dask.delayed(each, pure=False)() for each in (soon, late)])


def test_what_the_setting_says_reaches_simulations_of_plans():
    moved, numbers = [], replace(NUMBERS, seconds_of={"soon": 0.1, "late": 1.0})
    for limit in ("16 KiB", "8 MB"):
        with Serverless(containers=2, inline_bytes=limit, planner="wukong") as client:
            moved.append(client.simulate(fan_in(), predictions=numbers).bytes_up)
    assert moved[0] == moved[1] - 4 * MB


def test_views_with_limits_of_their_own_share_no_plan(tmp_path):
    with Serverless(containers=2, history=str(tmp_path / "history")) as client:
        for _ in range(2):
            dask.compute(fan_in(), scheduler=client)
        other = client.options(inline_bytes="8 MB")
        limits = [each.plan(fan_in()).model.platform.inline_bytes for each in (client, other)]
    assert limits == [16 << 10, 8 * MB]


def test_no_more_than_containers_put_into_a_call():
    with Serverless(containers=1, inline_bytes="1 GB") as client:
        assert client.plan(fan_in()).model.platform.inline_bytes == 64 << 20


def test_a_planner_of_the_users_goes_by_the_setting_too():
    planner = Optimized(Wukong(), model=CostModel(NUMBERS, Platform(inline_bytes=1)))
    with Serverless(containers=1, planner=planner) as client:
        assert client.plan(fan_in()).model.platform.inline_bytes == 16 << 10
