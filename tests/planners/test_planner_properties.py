"""What must hold of every planner that needs no history, on any graph."""

from time import process_time

import numpy as np
import pytest
from dag_shapes import (
    chain,
    diamond,
    edge_lists,
    fan_out,
    from_pairs,
    independent,
    random_dag,
    running_sum,
    shuffle,
    stencil,
    tree,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from planners.plans.bundles import bundles_of
from planners.plans.plan import Plan, Resources
from planners.registry import planner_named
from planners.simple import Simple
from planners.structural import Structural
from planners.wukong import Wukong

PLANNERS = [Structural(), Wukong(), Simple()]
SHAPES = {
    "nothing": independent(0),
    "one task": independent(1),
    "independent": independent(40),
    "chain": chain(50),
    "tree": tree(64),
    "wide tree": tree(64, split=16),
    "diamond": diamond(),
    "fan-out": fan_out(30),
    "shuffle": shuffle(8),
    "stencil": stencil(10, 30),
    "running sum": running_sum(40),
    "random": random_dag(1, 500),
}


@pytest.mark.parametrize("planner", PLANNERS, ids=lambda planner: planner.name)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("containers", [1, 2, 16])
def test_known_shapes_get_valid_plans(planner, shape, containers):
    SHAPES[shape].label(0)
    planner.plan(SHAPES[shape], Resources(containers)).validate(SHAPES[shape])


@settings(deadline=None)
@given(edge_lists(), st.sampled_from(PLANNERS), st.integers(0, 70))
def test_random_graphs_get_valid_plans(graph, planner, containers):
    dag = from_pairs(*graph)
    planner.plan(dag, Resources(containers, memory_mb=512)).validate(dag)


@pytest.mark.parametrize("planner", PLANNERS, ids=lambda planner: planner.name)
@pytest.mark.parametrize("seed", range(12))
def test_larger_random_graphs_get_valid_plans(planner, seed):
    # Deep and narrow ones for small spans: those take all paths through the structural planner.
    span, most = [(2, 2), (8, 3), (100, 2), (1000, 6)][seed % 4]
    dag = random_dag(seed, 3000, span, most)
    planner.plan(dag, Resources(2 + seed)).validate(dag)


@settings(deadline=None)
@given(edge_lists(), st.sampled_from(PLANNERS))
def test_the_same_graph_gets_the_same_plan(graph, planner):
    one, other = (planner.plan(from_pairs(*graph), Resources(3)) for _ in range(2))
    assert one == other


@settings(deadline=None)
@given(edge_lists(), st.sampled_from(PLANNERS))
def test_plans_travel_as_json(graph, planner):
    plan = planner.plan(from_pairs(*graph), Resources(3))
    assert Plan.from_json(plan.to_json()) == plan


@settings(deadline=None)
@given(edge_lists(), st.sampled_from(PLANNERS))
def test_bundles_could_run_one_after_another(graph, planner):
    """Bundles in id order, tasks in the given order: each input is there before it is needed."""
    dag = from_pairs(*graph)
    plan = planner.plan(dag, Resources(2))
    bundles = bundles_of(dag, plan)
    published = set()
    for bundle in range(bundles.count):
        first, last = bundles.input_offsets[bundle : bundle + 2]
        outside = set(bundles.edge_tasks[first:last].tolist())
        assert outside <= published
        local = set()
        for task in bundles.tasks_of(bundle).tolist():
            inputs = dag.inputs[dag.input_offsets[task] : dag.input_offsets[task + 1]].tolist()
            assert set(inputs) <= local | outside
            local.add(task)
        published |= {task for task in local if bundles.stored[task]}
    assert set(np.flatnonzero(dag.wanted).tolist()) <= published


@pytest.mark.parametrize("name", ["structural", "wukong", "simple"])
def test_planners_are_found_by_name(name):
    plan = planner_named(name).plan(tree(8), Resources(2))
    assert plan.planner == name


@pytest.mark.parametrize("planner", PLANNERS, ids=lambda planner: planner.name)
@pytest.mark.parametrize("tasks", [1_000, 32_000])
def test_planning_takes_microseconds_a_task(planner, tasks):
    def took(dag):
        began = process_time()
        planner.plan(dag, Resources(2))
        return process_time() - began

    for dag in (tree(tasks // 2), stencil(tasks // 50, 50), random_dag(1, tasks)):
        assert min(took(dag) for _ in range(3)) < 10e-6 * dag.tasks + 2e-3
