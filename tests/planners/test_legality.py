"""Legality: annotations that are each fine, and with which containers wait for one another."""

from dataclasses import replace
from itertools import chain, combinations

import numpy as np
import pytest
from dag_shapes import from_pairs, layered, random_dag, series_parallel
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import annotations, plans, platforms, workloads

from planners.auto import Auto
from planners.cost.platform import Platform
from planners.cost.timeline import predict_timeline
from planners.errors import AnnotationError
from planners.numbers.predictions import Constant
from planners.numbers.workload import Workload
from planners.optimizations.annotating import Annotating
from planners.optimizations.optimization import ALL, optimize
from planners.plans.annotations import (
    CheckFanIn,
    DuplicateTask,
    HoldOutput,
    KeepChildren,
    PreloadInputs,
    StartContainers,
)
from planners.plans.plan import FLEXIBLE, Plan, Resources
from planners.simple import Simple
from planners.structural import Structural
from planners.uniform import Uniform
from planners.wukong import Wukong

SUBSETS = [some for size in range(1, len(ALL) + 1) for some in combinations(ALL, size)]
FUNCTIONS = tuple(f"function-{number}" for number in range(10))


def heavy(shape, seed, tasks, heaviness=1.0):
    """A graph whose outputs take so many times as long to move as its tasks take to run."""
    dag, random = shape(seed, tasks), np.random.default_rng(seed)
    seconds, moving = random.gamma(2.0, 0.5, (2, len(FUNCTIONS)))
    predictions = Constant(
        seconds_of=dict(zip(FUNCTIONS, seconds.tolist(), strict=True)),
        output_bytes_of=dict(zip(FUNCTIONS, (heaviness * moving * 100e6).tolist(), strict=True)),
    )
    functions = random.integers(0, len(FUNCTIONS), dag.tasks).astype(np.int32)
    return replace(dag, functions=functions, function_names=FUNCTIONS), predictions


heavy_graphs = st.builds(
    heavy,
    st.sampled_from([series_parallel, layered, random_dag]),
    seed=st.integers(0, 10_000),
    tasks=st.integers(3, 300),
    heaviness=st.sampled_from([0.1, 1.0, 10.0]),
)
containers = st.sampled_from([1, 2, 3, 8, 64])
memory_sizes = st.sampled_from([0, 512, 1769, 3538])


@settings(max_examples=40, deadline=None)
@given(heavy_graphs, st.sampled_from(SUBSETS), containers, memory_sizes)
def test_no_set_of_optimizations_makes_a_plan_stall(graph, some, count, memory):
    dag, predictions = graph
    workload, resources = Workload.predict(dag, predictions), Resources(count, memory)
    for planner in (Structural(), Wukong(), Simple(), Uniform(predictions)):
        plan = planner.plan(dag, resources)
        timeline = predict_timeline(plan, workload, Platform(), resources)
        better = optimize(timeline, resources, some)
        better.plan.validate(dag)
        assert better.makespan_seconds <= timeline.makespan_seconds


@settings(max_examples=60, deadline=None)
@given(heavy_graphs, st.permutations(ALL), containers)
def test_what_is_legal_of_all_that_optimizations_ask_for_never_stalls(graph, order, count):
    """Also what does not pay: whether a set could hang does not depend on whether it is a gain."""
    dag, predictions = graph
    workload, resources = Workload.predict(dag, predictions), Resources(count, 1769)
    timeline = predict_timeline(Wukong().plan(dag, resources), workload, Platform(), resources)
    asking = [each for each in order if isinstance(each, Annotating)]
    asked = tuple(chain.from_iterable(each.annotate(timeline) for each in asking))
    plan = timeline.plan.with_annotations(dag, asked)
    plan.validate(dag)
    predict_timeline(plan, workload, Platform(), resources)


@settings(max_examples=300, deadline=None)
@given(st.data(), workloads(), platforms(), st.integers(1, 4))
def test_flexible_bundles_with_legal_annotations_never_stall(data, workload, platform, count):
    plan = data.draw(plans(workload.dag, slots=False))
    try:
        asked = replace(plan, annotations=data.draw(annotations(plan, workload)))
        plan = asked.with_annotations(workload.dag, asked.annotations)
        timeline = predict_timeline(plan, workload, platform, Resources(count))
    except AnnotationError:  # a copy of what is not needed, or sizes that only the platform knows
        return
    assert np.isfinite(timeline.finished).all()


@pytest.mark.parametrize("seed", range(4))
def test_auto_plans_a_thousand_series_parallel_tasks_with_heavy_transfers(seed):
    dag, predictions = heavy(series_parallel, seed, 1500)
    plan = Auto(predictions).plan(dag, Resources(2))
    plan.validate(dag)
    assert plan.prediction.makespan_seconds > 0


def fan(*notes):
    """Bundles 0 and 1 feed 2; 1 feeds 3, too; each one task."""
    dag = from_pairs(4, [(0, 2), (1, 2), (1, 3)])
    four = np.arange(4, dtype=np.int32)
    flexible = np.full(4, FLEXIBLE, dtype=np.int32)
    return dag, Plan("by hand", four, flexible, np.zeros(4, dtype=np.int32), notes)


def refused(dag, plan, message):
    with pytest.raises(AnnotationError, match=message):
        plan.validate(dag)


def test_no_output_is_held_for_a_bundle_that_runs_a_copy_of_the_task():
    # With the copy, 2 takes nothing of 0 any more. Whoever held it would wait for a bundle that
    # runs without it, and with all containers waiting like that, nothing would ever run.
    for note in (CheckFanIn(0.0, 0, 2), HoldOutput(0.0, 0, 2, 1.0)):
        dag, plan = fan(note)
        plan.validate(dag)
        dag, plan = fan(note, DuplicateTask(0.0, 2, 0))
        refused(dag, plan, "bundle 0 cannot hold its output for bundle 2: that takes nothing of it")
        assert plan.with_annotations(dag, plan.annotations).annotations == plan.annotations[1:]


def test_no_output_is_held_for_a_while_if_others_take_it():
    dag, plan = fan(HoldOutput(0.0, 1, 2, 1.0))
    # 1 has an only child, 3, to go on with; and with another size of container, 3 waits for 1.
    refused(dag, plan, "it goes on with bundle 3")
    plan = replace(plan, memory_mb=np.array([512, 512, 512, 1024], dtype=np.int32))
    refused(dag, plan, "others take it too")


def test_two_bundles_may_not_hold_what_the_copies_of_each_other_need():
    # 0 → 1 → 3 and 2 → 3; 1 copied into 3 makes 3 take 0, and 2 → 3 stays.
    dag = from_pairs(5, [(0, 1), (0, 2), (1, 4), (2, 4), (3, 4)])
    flexible = np.full(5, FLEXIBLE, dtype=np.int32)
    sizes = np.array([1024, 512, 512, 1024, 1024], dtype=np.int32)
    notes = (HoldOutput(0.0, 0, 4, 1.0), DuplicateTask(0.0, 4, 1))
    plan = Plan("by hand", np.arange(5, dtype=np.int32), flexible, sizes, notes)
    refused(dag, plan, "others take it too, and may be what that bundle waits for")


def test_children_are_kept_once():
    note = KeepChildren(0.0, 1, (3, 3), (0.0, 0.0), 0.0, (0.0, 0.0), (0.0, 0.0))
    refused(*fan(note), "cannot keep")
    keeps = replace(note, children=(3,), child_seconds=(0.0,))
    dag, plan = fan(keeps)
    plan.validate(dag)
    refused(*fan(keeps, keeps), "cannot keep")


@pytest.mark.parametrize(
    ("note", "message"),
    [
        (HoldOutput(0.0, 9, 2, 1.0), "bundle is 9: the plan has no such bundle"),
        (HoldOutput(0.0, -1, 2, 1.0), "bundle is -1"),
        (HoldOutput(0.0, 0, 9, 1.0), "child is 9"),
        (HoldOutput(0.0, 0, 2, float("inf")), "wait_seconds is inf: it must be finite"),
        (HoldOutput(0.0, 0, 2, float("nan")), "wait_seconds is nan"),
        (HoldOutput(0.0, 0, 2, -1.0), "wait_seconds is -1.0"),
        (DuplicateTask(0.0, 2, 7), "task is 7: the graph has no such task"),
        (PreloadInputs(0.0, 2, (0, -1)), r"tasks is \(0, -1\)"),
        (StartContainers(0.0, -2, 512, 1, 0.0), "trigger is -2"),
        (StartContainers(0.0, -1, 512, 0, 0.0), "containers is 0"),
        (StartContainers(0.0, -1, 512, 1, float("nan")), "delay_seconds is nan"),
        (StartContainers(0.0, -1, 0, 1, 0.0), "memory_mb is 0"),
    ],
)
def test_annotations_name_what_exists_and_numbers_that_can_be_waited(note, message):
    dag, plan = fan(note)
    refused(dag, plan, message)
    workload = Workload.predict(dag, Constant())
    with pytest.raises(AnnotationError, match=message):
        predict_timeline(plan, workload, Platform(), Resources(2))
