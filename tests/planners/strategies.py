"""Random Dags, workloads and plans, with numbers that floating point adds up exactly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from hypothesis import strategies as st

from planners.cost.platform import Platform
from planners.graph.dag import Dag
from planners.numbers.predictions import VCPU_MB, Constant, Line
from planners.numbers.workload import Workload
from planners.plans.annotations import (
    CheckFanIn,
    DuplicateTask,
    HoldOutput,
    KeepChildren,
    PreloadInputs,
    StartContainers,
    StreamInputs,
    StreamOutputs,
)
from planners.plans.plan import Plan

SIZES_MB = (VCPU_MB, 2 * VCPU_MB)  # twice the memory is exactly twice as fast
eighths = st.integers(0, 32).map(lambda number: number / 8)


@dataclass(frozen=True)
class Pickling(Constant):
    """Where outputs of some functions take a while to be pickled, and to be unpickled."""

    packing_of: Mapping[str, float] = field(default_factory=dict)
    unpacking_of: Mapping[str, float] = field(default_factory=dict)

    def packing(self, function, sla="average"):
        return Line(self.packing_of.get(function, 0.0))

    def unpacking(self, function, sla="average"):
        return Line(self.unpacking_of.get(function, 0.0))


@st.composite
def dags(draw, max_tasks=12):
    tasks = draw(st.integers(1, max_tasks))
    pairs = [(one, other) for other in range(tasks) for one in range(other)]
    edges = draw(st.lists(st.sampled_from(pairs), max_size=2 * tasks)) if pairs else []
    return Dag.from_edges(
        tasks,
        np.array([one for one, _ in edges], dtype=np.int64),
        np.array([other for _, other in edges], dtype=np.int64),
        functions=np.arange(tasks),
        function_names=[f"f{task}" for task in range(tasks)],
        constant_bytes=draw(st.lists(st.sampled_from([0, 64]), min_size=tasks, max_size=tasks)),
        wanted=draw(st.none() | st.lists(st.booleans(), min_size=tasks, max_size=tasks)),
    )


@st.composite
def workloads(draw, dag_strategy=None):
    dag = draw(dag_strategy or dags())
    seconds = draw(st.lists(eighths, min_size=dag.tasks, max_size=dag.tasks))
    unit = draw(st.sampled_from([1, 1 << 14]))  # of bytes: outputs of one part, or of several
    sizes = st.sampled_from([0, 128 * unit, 256 * unit, 1024 * unit])
    outputs = draw(st.lists(sizes, min_size=dag.tasks, max_size=dag.tasks))
    pickling = st.dictionaries(st.sampled_from(dag.function_names), st.just(0.125))
    predictions = Pickling(
        packing_of=draw(st.just({}) | pickling),
        unpacking_of=draw(st.just({}) | pickling),
        seconds_of=dict(zip(dag.function_names, seconds, strict=True)),
        output_bytes_of=dict(zip(dag.function_names, outputs, strict=True)),
        threads=2.0,
        transfer_latency_seconds=draw(st.sampled_from([0, 0.125])),
        bytes_per_second=unit * draw(st.sampled_from([256.0, 4096.0])),
        cold_start_seconds=draw(st.sampled_from([0, 0.5, 2.0])),
        warm_start_seconds=draw(st.sampled_from([0, 0.25])),
    )
    return Workload.predict(dag, predictions)


@st.composite
def platforms(draw):
    counts = st.tuples(st.sampled_from(SIZES_MB), st.integers(1, 2))
    return Platform(
        memory_sizes_mb=SIZES_MB,
        default_memory_mb=VCPU_MB,
        warm=tuple(draw(st.lists(counts, max_size=1))),
        idle_seconds=draw(st.sampled_from([0.0, 1.0, 100.0])),
        publish_seconds=draw(st.sampled_from([0.0, 0.125])),
        ask_bytes=draw(st.sampled_from([0.0, 128.0, 1e9])),
        inline_bytes=draw(st.sampled_from([0.0, 100.0, 1e6])),
    )


@st.composite
def plans(draw, dag, slots=True, flexible=True):
    """Bundle ids that never fall along an edge are topological, whatever they are."""
    bundles = np.zeros(dag.tasks, dtype=np.int64)
    for task in range(dag.tasks):
        inputs = dag.inputs[dag.input_offsets[task] : dag.input_offsets[task + 1]]
        least = int(bundles[inputs].max(initial=0))
        bundles[task] = least + draw(st.sampled_from([0, 1, 1, 2]))
    _, bundles = np.unique(bundles * 16 + _groups(draw, dag), return_inverse=True)
    count = int(bundles.max()) + 1
    choices = ([-1] if flexible else []) + ([0, 1, 2] if slots else [])
    slot_of = draw(st.lists(st.sampled_from(choices), min_size=count, max_size=count))
    memory_of = [draw(st.sampled_from([0, *SIZES_MB])) for _ in range(4)]
    return Plan(
        planner="random",
        bundles=bundles.astype(np.int32),
        slots=np.array(slot_of, dtype=np.int32),
        memory_mb=np.array([memory_of[slot] for slot in slot_of], dtype=np.int32),
    )


def _groups(draw, dag):
    """Tasks without edges may have bundles of their own; their place in the order is free."""
    alone = draw(st.lists(st.integers(0, 2), min_size=dag.tasks, max_size=dag.tasks))
    linked = np.zeros(dag.tasks, dtype=bool)
    linked[dag.inputs] = True
    linked[dag.edge_users] = True
    return np.where(linked, 0, np.array(alone))


@st.composite
def annotations(draw, plan, workload):
    """Some of every kind; whether all of them fit the plan is for the plan to say."""
    dag, count = workload.dag, len(plan.slots)
    bundle = st.integers(0, count - 1)
    crossing = plan.bundles[dag.inputs] != plan.bundles[dag.edge_users]
    edges = list(
        zip(
            dag.inputs[crossing].tolist(),
            plan.bundles[dag.inputs[crossing]].tolist(),
            plan.bundles[dag.edge_users[crossing]].tolist(),
            strict=True,
        )
    )
    notes: list[object] = []
    if draw(st.booleans()):
        trigger = draw(st.just(-1) | bundle)
        notes.append(
            StartContainers(0.0, trigger, draw(st.sampled_from(SIZES_MB)), 1, draw(eighths))
        )
    if draw(st.booleans()):
        notes.append(StreamOutputs(0.0, draw(bundle), tuple(range(0, dag.tasks, 2))))
    for task, producer, consumer in edges[:12]:
        kind = draw(
            st.sampled_from(["", "", "preload", "stream", "dup", "check", "delay", "cluster"])
        )
        if kind == "preload":
            notes.append(PreloadInputs(0.0, consumer, (task,)))
        elif kind == "stream":
            notes.append(StreamInputs(0.0, consumer, (task,)))
        elif kind == "dup":
            notes.append(DuplicateTask(0.0, consumer, task))
        elif kind == "check":
            notes.append(CheckFanIn(0.0, producer, consumer))
        elif kind == "delay":
            notes.append(HoldOutput(0.0, producer, consumer, draw(eighths)))
        elif kind == "cluster":
            notes.append(
                KeepChildren(0.0, producer, (consumer,), (0.0,), 0.0, (0.0, 0.0), (0.0, 0.0))
            )
    return tuple(notes)
