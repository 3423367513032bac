"""What is fetched, stored and started ahead: simulated, beside what the cost model promises of it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import check_conserved, graph, one_each

from dask_serverless.simulation.model import BackendModel
from dask_serverless.simulation.simulation import simulate
from planners.cost.model import CostModel
from planners.cost.platform import Platform
from planners.numbers.predictions import Constant
from planners.optimizations.optimization import optimize
from planners.optimizations.preload import Preload
from planners.optimizations.prewarm import Prewarm
from planners.optimizations.streaming import Streaming
from planners.plans.annotations import PreloadInputs, StreamInputs, StreamOutputs
from planners.plans.plan import Plan, Resources

MB = 1_000_000
MEMORY_MB = 1769


@dataclass(frozen=True)
class Case:
    """A graph by hand: what each task takes, its seconds, its megabytes, its bundle and their slots."""

    inputs: tuple[tuple[int, ...], ...]
    seconds: tuple[float, ...]
    megabytes: tuple[float, ...]
    bundles: tuple[int, ...]
    slots: tuple[int, ...]
    cold_start: float = 0.0

    @property
    def dag(self):
        """Each task has a function of its own."""
        names = tuple(f"task{number}" for number in range(len(self.seconds)))
        functions = np.arange(len(names), dtype=np.int32)
        return replace(graph(*self.inputs), functions=functions, function_names=names)

    @property
    def model(self):
        names = [f"task{number}" for number in range(len(self.seconds))]
        numbers = Constant(
            seconds_of=dict(zip(names, self.seconds, strict=True)),
            output_bytes_of={n: MB * size for n, size in zip(names, self.megabytes, strict=True)},
            transfer_latency_seconds=0.001,
            bytes_per_second=100e6,
            cold_start_seconds=self.cold_start,
            warm_start_seconds=0.0,
        )
        return CostModel(numbers, Platform(publish_seconds=0.001))

    def plan(self, *notes):
        slots = np.array(self.slots, dtype=np.int32)
        memory = np.full(len(slots), MEMORY_MB, dtype=np.int32)
        return Plan("by-hand", np.array(self.bundles, dtype=np.int32), slots, memory, notes)

    def seconds_of_both(self, optimization, containers=4):
        """Without and with it: by the cost model, and by the engine."""
        model, resources = self.model, Resources(containers)
        workload = model.workload(self.dag)
        plain = model.timeline(self.plan(), workload, resources)
        better = optimize(plain, resources, (optimization,))
        assert better.plan.annotations
        backend = BackendModel.of(model.platform, workload, containers, MEMORY_MB)
        return [
            (
                timeline.makespan_seconds,
                simulate(workload, timeline.plan, backend, model.platform).makespan_seconds,
            )
            for timeline in (plain, better)
        ]


LATE_JOIN = Case(((), (), (0, 1)), (3.0, 0.1, 0.1), (0, 100, 0), (0, 1, 2), (0, 1, 0))
LATE_BLOCK = Case(((), (), (0, 1)), (1.0, 1.2, 0.1), (0, 100, 0), (0, 1, 2), (0, 1, 0))
EARLY = Case(
    ((), (0,), (), (0, 1, 2)), (1.0, 3.0, 2.0, 0.1), (100, 0, 0, 0), (0, 0, 1, 2), (0, 1, 1)
)
EARLY_IN_PARTS = replace(EARLY, seconds=(1.0, 3.0, 3.9, 0.1))  # whoever needs it is still there
FAN_OUT = Case(
    ((), (0,), (0,), (0,)), (3.0, 1.0, 1.0, 1.0), (0,) * 4, (0, 1, 2, 3), (-1,) * 4, cold_start=1.0
)


@pytest.mark.parametrize(
    "case, optimization",
    [
        (LATE_JOIN, Preload()),
        (LATE_BLOCK, Streaming()),
        (EARLY, Streaming()),
        (EARLY_IN_PARTS, Streaming()),
        (FAN_OUT, Prewarm()),
    ],
)
def test_the_engine_saves_what_the_forecast_promises(case, optimization):
    (foreseen, came), (foreseen_with, came_with) = case.seconds_of_both(optimization)
    assert came == pytest.approx(foreseen, rel=0.03)
    assert came_with == pytest.approx(foreseen_with, rel=0.03)
    promised = foreseen - foreseen_with
    assert promised > 0.1
    assert 0.75 * promised < came - came_with < 1.25 * promised


def simulated(case, *notes, **keywords):
    model = BackendModel.of_keywords(containers=2, **keywords)
    return simulate(case.model.workload(case.dag), case.plan(*notes), model)


def test_what_is_fetched_ahead_is_fetched_once():
    without, with_it = simulated(LATE_JOIN), simulated(LATE_JOIN, PreloadInputs(1.0, 2, (1,)))
    assert with_it.bytes_down == without.bytes_down == 100 * MB
    streamed = simulated(LATE_BLOCK, StreamInputs(1.0, 2, (1,)))
    assert streamed.bytes_down == streamed.bytes_up == 100 * MB


def test_a_download_that_is_under_way_is_waited_for():
    """The block is there after 2.1 s and takes a second; the nap ends after 3 s."""
    slow = {"download": 50e6}
    without = simulated(LATE_JOIN, **slow)
    with_it = simulated(LATE_JOIN, PreloadInputs(1.0, 2, (1,)), **slow)
    assert 0 < without.makespan_seconds - with_it.makespan_seconds <= 2.0
    assert with_it.bytes_down == 100 * MB


def test_parts_come_while_an_early_output_is_stored():
    notes = StreamOutputs(1.0, 0, (0,)), StreamInputs(1.0, 2, (0,))
    without, with_it = simulated(EARLY), simulated(EARLY, *notes)
    assert without.makespan_seconds - with_it.makespan_seconds > 1.5
    assert with_it.bytes_down == 100 * MB


@st.composite
def annotated(draw):
    """A graph with a bundle a task, in any slots, where all is fetched, streamed or stored ahead."""
    count = draw(st.integers(2, 12))
    inputs = [
        draw(st.sets(st.integers(0, task - 1), max_size=3)) if task else () for task in range(count)
    ]
    dag = graph(*[sorted(each) for each in inputs])
    slots = [draw(st.integers(-1, 2)) for _ in range(count)]
    kinds = [draw(st.sampled_from([PreloadInputs, StreamInputs])) for _ in range(count)]
    notes = [
        kind(0.0, bundle, tuple(sorted(taken)))
        for bundle, (kind, taken) in enumerate(zip(kinds, inputs, strict=True))
        if taken
    ]
    stored = {task for taken in inputs for task in taken}
    notes += [StreamOutputs(0.0, task, (task,)) for task in sorted(stored) if draw(st.booleans())]
    return dag, replace(one_each(dag, slots), annotations=tuple(notes))


@settings(max_examples=100, deadline=None)
@given(annotated(), st.integers(1, 4), st.sampled_from([0.0, 1e4, 3e6, 5e7]))
def test_whatever_is_asked_ahead_every_bundle_runs_once_and_nothing_is_fetched_too_soon(
    made, containers, nbytes
):
    dag, plan = made
    numbers = Constant(task_seconds=0.5, task_output_bytes=nbytes)
    model = BackendModel.of_keywords(containers=containers, cold_start=0.1, store_rtt=0.002)
    check_conserved(simulate(CostModel(numbers).workload(dag), plan, model), dag)
