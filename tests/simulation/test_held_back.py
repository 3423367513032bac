"""Outputs that are held back: what the cost model promises of it, and what containers make of it."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.dags import DAGS
from benchmarks.planner_quality import workload_of
from dask_serverless.simulation.model import BackendModel
from dask_serverless.simulation.simulation import simulate
from planners.cost.model import CostModel
from planners.cost.platform import Platform
from planners.graph.dag import Dag
from planners.numbers.predictions import Constant
from planners.optimizations.delayed_io import DelayedIo
from planners.optimizations.optimization import Optimized, optimize
from planners.plans.bundles import bundles_of
from planners.plans.plan import Resources
from planners.wukong import Wukong

MEMORY_MB = 1769


@dataclass(frozen=True)
class Shape:
    """So many times a block and its partners, for a task that takes them together; then one sum."""

    groups: int
    containers: int
    block_mb: float
    partner_seconds: float
    together_seconds: float
    block_seconds: float = 0.02
    partners: int = 1

    def dag(self):
        size = self.partners + 2
        functions = ["block", *["partner"] * self.partners, "together"] * self.groups + ["sum"]
        ends = range(size - 1, size * self.groups, size)
        edges = [(task, end) for end in ends for task in range(end - size + 1, end)]
        edges += [(end, len(functions) - 1) for end in ends]
        names = ("block", "partner", "together", "sum")
        numbers = np.array([names.index(name) for name in functions], dtype=np.int32)
        producers, users = zip(*edges, strict=True)
        return Dag.from_edges(
            len(functions), producers, users, functions=numbers, function_names=names
        )

    def model(self):
        numbers = Constant(
            transfer_latency_seconds=0.001,
            bytes_per_second=100e6,
            task_seconds=0.0005,
            task_output_bytes=100,
            seconds_of={
                "block": self.block_seconds,
                "partner": self.partner_seconds,
                "together": self.together_seconds,
            },
            output_bytes_of={"block": self.block_mb * 1e6},
            warm_start_seconds=0.003,
        )
        warm = ((MEMORY_MB, self.containers),)
        return CostModel(numbers, Platform(warm=warm, default_memory_mb=MEMORY_MB))

    def seconds(self):
        """Without and with outputs held back: by the cost model, and by the engine."""
        dag, model, resources = self.dag(), self.model(), Resources(self.containers)
        workload = model.workload(dag)
        plain = model.timeline(Wukong().plan(dag, resources), workload, resources)
        held = optimize(plain, resources, (DelayedIo(),))
        backend = BackendModel.of(model.platform, workload, self.containers, MEMORY_MB)
        pairs = [
            (
                timeline.makespan_seconds,
                simulate(workload, timeline.plan, backend, model.platform).makespan_seconds,
            )
            for timeline in (plain, held)
        ]
        return tuple(zip(*pairs, strict=True))


@pytest.mark.parametrize(
    "shape",
    [
        Shape(16, 4, 16, 0.03, 0.12),  # as the benchmark has it
        Shape(16, 4, 16, 0.03, 0.12, block_seconds=0.001),
        Shape(16, 4, 16, 0.1, 0.5, block_seconds=0.2),
        Shape(16, 4, 16, 0.3, 0.01),
        Shape(16, 4, 16, 0.005, 0.12, block_seconds=0.002, partners=3),
        Shape(16, 8, 16, 0.005, 0.12, block_seconds=0.2),  # partners are there before
        Shape(16, 16, 16, 0.03, 0.01, block_seconds=0.002, partners=2),
        Shape(32, 16, 16, 0.3, 0.01, block_seconds=0.2, partners=3),
        Shape(2, 2, 64, 0.005, 0.12, block_seconds=0.2),
        Shape(4, 4, 16, 0.005, 0.5),
        Shape(16, 1, 64, 0.1, 0.01, block_seconds=0.2, partners=2),
        Shape(100, 10, 8, 0.05, 0.05),
    ],
    ids=str,
)
def test_it_saves_what_was_promised(shape):
    (without, with_it), (without_simulated, with_it_simulated) = shape.seconds()
    assert with_it < without
    saved, promised = without_simulated - with_it_simulated, without - with_it
    assert 0.75 <= saved / promised <= 1.25


@settings(max_examples=60, deadline=None)
@given(
    st.builds(
        Shape,
        groups=st.integers(2, 24),
        containers=st.integers(1, 12),
        block_mb=st.floats(1.0, 64.0),
        partner_seconds=st.floats(0.001, 1.0),
        together_seconds=st.floats(0.001, 0.5),
        block_seconds=st.floats(0.001, 0.2),
        partners=st.integers(1, 3),
    )
)
def test_the_cost_model_foresees_what_containers_do(shape):
    """Who comes a moment earlier takes another bundle; so single makespans may differ by some."""
    forecast, simulated = shape.seconds()
    longest = shape.block_seconds + shape.partner_seconds + shape.together_seconds
    moving = 2 * (shape.block_mb / 100 + 0.01)
    for foreseen, came in zip(forecast, simulated, strict=True):
        assert abs(came - foreseen) <= 0.25 * foreseen + longest + moving


@pytest.mark.parametrize("name", ["montage-50", "butterfly-16-ccr-1", "layered-20x15-ccr-1"])
def test_whole_workflows_run_with_all_that_optimizations_ask_for(name):
    workload, predictions = workload_of(DAGS[name]())
    platform, resources = Platform(), Resources(8, MEMORY_MB)
    model = CostModel(predictions, platform)
    plan = Optimized(Wukong(), model=model).plan(workload.dag, resources)
    assert plan.annotations
    backend = BackendModel.of(platform, workload, 8, MEMORY_MB)
    simulated = simulate(workload, plan, backend, platform)
    between = bundles_of(workload.dag, plan)
    assert (simulated.container >= 0).all() and (simulated.fetched <= simulated.finished).all()
    finished, begun = simulated.finished, simulated.begun
    assert (finished[between.edge_producers] <= begun[between.edge_consumers]).all()
    assert simulated.makespan_seconds == pytest.approx(plan.prediction.makespan_seconds, rel=0.25)
