"""Speed and memory of planning on large graphs."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable

import numpy as np

from benchmarks.verdicts import Verdict
from planners.auto import Auto
from planners.cost.incremental import Incremental
from planners.cost.platform import Platform
from planners.cost.timeline import predict_timeline
from planners.graph.dag import Dag
from planners.non_uniform import NonUniform
from planners.numbers.predictions import Constant
from planners.numbers.workload import Workload
from planners.plans.plan import Resources
from planners.simple import Simple
from planners.structural import Structural
from planners.uniform import Uniform
from planners.wukong import Wukong

FUNCTIONS = 100  # with times of their own
RESOURCES = Resources(64)


def large(tasks: int, width: int = 300) -> Dag:
    """Layers of random links with two inputs a task: hardly a chain to fuse, so the worst case."""
    random = np.random.default_rng(tasks)
    users = np.repeat(np.arange(width, tasks), 2)
    producers = users - width + random.integers(-width // 3, width // 3, len(users))
    functions = random.integers(0, FUNCTIONS, tasks)
    names = [f"function-{number}" for number in range(FUNCTIONS)]
    return Dag.from_edges(
        tasks, np.clip(producers, 0, users - 1), users, functions=functions, function_names=names
    )


def numbers() -> Constant:
    times = np.random.default_rng(1).gamma(4.0, 0.25, FUNCTIONS).tolist()
    return Constant(
        seconds_of={f"function-{number}": time for number, time in enumerate(times)}, threads=2.0
    )


def plan_structural(dag: Dag) -> None:
    Structural().plan(dag, RESOURCES)


def plan_wukong(dag: Dag) -> None:
    Wukong().plan(dag, RESOURCES)


def plan_uniform(dag: Dag) -> None:
    Uniform(numbers()).plan(dag, RESOURCES)


def plan_non_uniform(dag: Dag) -> None:
    NonUniform(numbers()).plan(dag, RESOURCES)


def plan_auto(dag: Dag) -> None:
    Auto(numbers()).plan(dag, RESOURCES)


def plan_auto_without_history(dag: Dag) -> None:
    Auto().plan(dag, RESOURCES)


def time_flexible(dag: Dag) -> None:
    workload = Workload.predict(dag, numbers())
    predict_timeline(Wukong().plan(dag, RESOURCES), workload, Platform(), RESOURCES)


def time_slots(dag: Dag) -> None:
    workload = Workload.predict(dag, numbers())
    predict_timeline(Simple().plan(dag, RESOURCES), workload, Platform(), RESOURCES)


def time_incremental(dag: Dag) -> None:
    """Twenty trials, each of one slot; what building it takes is measured by ``time_slots``."""
    workload = Workload.predict(dag, numbers())
    timeline = Incremental(Simple().plan(dag, RESOURCES), workload, Platform())
    for slot in range(20):
        timeline.undo(timeline.try_memory([slot], 1024))


def verdicts() -> list[Verdict]:
    million, hundred_thousand, ten_thousand = 1_000_000, 100_000, 10_000
    found = []
    for what, work, tasks, target in (
        ("structural", plan_structural, million, 10.0),
        ("wukong", plan_wukong, million, 10.0),
        ("uniform", plan_uniform, million, 50.0),
    ):
        each = seconds_of(work, tasks) / tasks * 1e6
        found.append(Verdict(f"{what}, {tasks:,} tasks", each, target, unit="µs a task"))
    for what, work in (
        ("structural", plan_structural),
        ("wukong", plan_wukong),
        ("uniform and its timeline", plan_uniform),
    ):
        kept = peak_bytes_of(work, hundred_thousand) / hundred_thousand
        what = f"memory of {what}, {hundred_thousand:,} tasks"
        found.append(Verdict(what, kept, 1024, unit="B a task"))
    for what, work, tasks in (
        ("non_uniform", plan_non_uniform, ten_thousand),
        ("timeline of flexible bundles", time_flexible, hundred_thousand),
        ("timeline of slots", time_slots, hundred_thousand),
        ("20 incremental trials and the timeline first", time_incremental, ten_thousand),
    ):
        seconds = seconds_of(work, tasks)
        found.append(Verdict(f"{what}, {tasks:,} tasks", seconds, 1.0, unit="s"))
    return found + auto_verdicts(hundred_thousand)


def auto_verdicts(tasks: int) -> list[Verdict]:
    dag, pairs = large(tasks), []
    for _ in range(5):  # in turn, so that both meet the same weather
        pairs.append([timed(work, dag) for work in (plan_auto_without_history, plan_structural)])
    alone, structural = map(min, zip(*pairs, strict=True))
    named = f"{tasks:,} tasks"
    return [
        Verdict(f"auto without history by structural, {named}", alone / structural, 1.03),
        Verdict(f"auto with numbers, {named}", timed(plan_auto, dag), 10.0, unit="s"),
    ]


def seconds_of(work: Callable[[Dag], None], tasks: int) -> float:
    work(large(1000))  # imports and first calls
    return timed(work, large(tasks))


def timed(work: Callable[[Dag], None], dag: Dag) -> float:
    """Seconds of processor time: planning waits for nothing, and other processes are not its."""
    start = time.process_time()
    work(dag)
    return time.process_time() - start


def peak_bytes_of(work: Callable[[Dag], None], tasks: int) -> int:
    """At most allocated at once, beyond the graph itself; slow, as every allocation is noted."""
    dag = large(tasks)
    tracemalloc.start()
    try:
        work(dag)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
