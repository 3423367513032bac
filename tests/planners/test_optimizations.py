"""Optimizations: each saves what it says where it should, travels as JSON, and bears the others."""

from dataclasses import replace

import numpy as np
import pytest
from dag_shapes import from_pairs, random_dag
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import annotations, plans, platforms, workloads

from planners.cost.model import CostModel
from planners.cost.platform import Platform
from planners.cost.timeline import predict_timeline
from planners.numbers.predictions import VCPU_MB, Constant
from planners.numbers.workload import Workload
from planners.optimizations.clustering import Clustering
from planners.optimizations.delayed_io import DelayedIo
from planners.optimizations.optimization import ALL, Optimized, optimize
from planners.optimizations.preload import Preload
from planners.optimizations.prewarm import Prewarm
from planners.optimizations.streaming import Streaming
from planners.optimizations.task_dup import TaskDup
from planners.plans.annotations import (
    Annotation,
    AnnotationError,
    CheckFanIn,
    DuplicateTask,
    HoldOutput,
    KeepChildren,
    PreloadInputs,
    StartContainers,
    StreamInputs,
    StreamOutputs,
)
from planners.plans.plan import FLEXIBLE, Plan, Resources
from planners.uniform import Uniform
from planners.wukong import Wukong

MB = 1_000_000
RESOURCES = Resources(16)


def timeline_of(pairs, seconds, output_bytes, bundles, slots, containers=16, **options):
    """A second a step and 100 MB a second, unless said otherwise."""
    tasks = len(seconds)
    names = tuple(f"task-{task}" for task in range(tasks))
    dag = from_pairs(tasks, pairs, functions=np.arange(tasks), function_names=names)
    defaults = {"transfer_latency_seconds": 0.0, "bytes_per_second": 100e6}
    predictions = Constant(
        seconds_of=dict(zip(names, seconds, strict=True)),
        output_bytes_of=dict(zip(names, output_bytes, strict=True)),
        **{"cold_start_seconds": 0.0, "warm_start_seconds": 0.0, **defaults, **options},
    )
    plan = Plan(
        "by hand",
        np.array(bundles, dtype=np.int32),
        np.array(slots, dtype=np.int32),
        np.full(len(slots), VCPU_MB, dtype=np.int32),
    )
    plan.validate(dag)
    workload = Workload.predict(dag, predictions)
    platform = Platform(publish_seconds=0.0)
    return predict_timeline(plan, workload, platform, Resources(containers))


def saved_by(timeline, *optimizations, containers=16):
    better = optimize(timeline, Resources(containers), optimizations)
    return timeline.makespan_seconds - better.makespan_seconds, better.plan.annotations


def test_preload_fetches_while_the_last_input_is_awaited():
    # 3 in slot 0 behind 0; input 1 is there after 2 s and takes 1 s, input 2 after 5 s
    timeline = timeline_of(
        [(0, 3), (1, 3), (2, 3)], [1, 1, 5, 1], [0, 100 * MB, 0, 0], [0, 1, 2, 3], [0, 1, 2, 0]
    )
    saved, notes = saved_by(timeline, Preload())
    assert notes == (PreloadInputs(saves_seconds=1.0, bundle=3, tasks=(1,)),)
    assert saved == pytest.approx(1.0)


def test_preload_leaves_what_comes_with_the_last_input():
    timeline = timeline_of(
        [(0, 3), (1, 3), (2, 3)],
        [1, 5, 5, 1],
        [0, 100 * MB, 100 * MB, 0],
        [0, 1, 2, 3],
        [0, 1, 2, 0],
    )
    assert saved_by(timeline, Preload()) == (0.0, ())


def test_prewarm_has_containers_ready_before_the_fan_out():
    timeline = timeline_of(
        [(0, 1), (0, 2), (0, 3)],
        [5, 1, 1, 1],
        [0] * 4,
        [0, 1, 2, 3],
        [FLEXIBLE] * 4,
        cold_start_seconds=2.0,
    )
    saved, (note,) = saved_by(timeline, Prewarm())
    assert isinstance(note, StartContainers)
    assert (note.containers, note.memory_mb) == (2, VCPU_MB)
    assert saved == pytest.approx(2.0)


def test_task_dup_runs_a_cheap_task_again_instead_of_fetching():
    timeline = timeline_of([(0, 1), (0, 2)], [0.1, 1, 1], [300 * MB, 0, 0], [0, 1, 2], [0, 0, 1])
    saved, (note,) = saved_by(timeline, TaskDup())
    assert isinstance(note, DuplicateTask) and (note.task, note.bundle) == (0, 2)
    assert note.saves_seconds == pytest.approx(3.0 + 3.0 - 0.1)  # nothing is stored any more
    assert saved >= note.saves_seconds - 1e-9  # nor waited for


def test_clustering_keeps_children_that_are_dearer_to_hand_over():
    timeline = timeline_of(
        [(0, 1), (0, 2), (0, 3)],
        [1, 0.1, 0.1, 0.1],
        [100 * MB, 0, 0, 0],
        [0, 1, 2, 3],
        [FLEXIBLE] * 4,
    )
    saved, (note,) = saved_by(timeline, Clustering())
    assert isinstance(note, KeepChildren) and set(note.children) == {1, 2, 3}
    assert saved == pytest.approx(1 + 1 - 0.2)  # upload and download, less two children in a row


def test_clustering_compares_again_with_real_sizes():
    note = KeepChildren(0.0, 0, (1, 2, 3), (5.0, 5.0, 5.0), 1.0, (0.0, 1e-8), (0.0, 1e-8))
    assert note.kept([0, 0, 0]) == (1,)
    assert note.kept([1e9, 1e9, 1e9]) == (1, 2, 3)


def test_clustering_looks_before_it_stores_at_a_fan_in():
    # for so little, containers do not look of their own accord
    timeline = timeline_of(
        [(0, 2), (1, 2)],
        [5, 1, 1],
        [MB, MB // 2, 0],
        [0, 1, 2],
        [FLEXIBLE] * 3,
        bytes_per_second=MB,
    )
    saved, notes = saved_by(timeline, Clustering())
    assert CheckFanIn(saves_seconds=1.0, bundle=0, child=2) in notes
    assert saved == pytest.approx(1.0)


def test_containers_look_of_their_own_accord_before_they_store_much():
    timeline = timeline_of(
        [(0, 2), (1, 2)], [5, 1, 1], [100 * MB, MB, 0], [0, 1, 2], [FLEXIBLE] * 3
    )
    assert timeline.makespan_seconds == pytest.approx(6.01)  # nothing is stored for it
    assert saved_by(timeline, Clustering()) == (0.0, ())


def test_delayed_io_holds_a_big_output_while_its_container_makes_the_other_input():
    pairs, seconds = [(0, 2), (1, 2)], [1, 2, 1]
    alone = [0, 1, 2], [FLEXIBLE] * 3
    timeline = timeline_of(pairs, seconds, [500 * MB, 0, 0], *alone, containers=1)
    saved, (note,) = saved_by(timeline, DelayedIo(), containers=1)
    assert isinstance(note, HoldOutput) and (note.bundle, note.child) == (0, 2)
    assert note.wait_seconds == pytest.approx(10.0)
    assert saved == pytest.approx(5.0)  # of storing


def test_delayed_io_asks_no_container_to_wait_idly():
    timeline = timeline_of([(0, 2), (1, 2)], [4, 5, 1], [500 * MB, 0, 0], [0, 1, 2], [FLEXIBLE] * 3)
    assert saved_by(timeline, DelayedIo()) == (0.0, ())  # it stores, as there is nothing else to do


def test_what_is_held_for_too_long_is_stored_while_its_container_runs_on():
    pairs, alone = [(0, 3), (2, 3)], ([0, 1, 2, 3], [FLEXIBLE] * 4)
    timeline = timeline_of(pairs, [1, 9, 6, 1], [100 * MB, 0, 0, 0], *alone, containers=2)
    note = HoldOutput(saves_seconds=0.0, bundle=0, child=3, wait_seconds=2.0)
    plan = replace(timeline.plan, annotations=(note,))
    held = predict_timeline(plan, timeline.workload, timeline.platform, Resources(2))
    assert held.begun[1] == pytest.approx(1.0)  # by whoever holds
    assert held.finished[0] == pytest.approx(1.0 + 2.0 + 1.0)
    assert held.begun[3] == pytest.approx(6.0)  # elsewhere
    assert held.fetched[3] == pytest.approx(7.0)


def test_streaming_stores_early_outputs_while_later_tasks_run():
    timeline = timeline_of([(0, 1), (0, 2), (1, 2)], [1, 5, 1], [200 * MB, 0, 0], [0, 0, 1], [0, 1])
    saved, (note,) = saved_by(timeline, Streaming())
    assert note == StreamOutputs(saves_seconds=2.0, bundle=0, tasks=(0,))
    assert saved == pytest.approx(2.0)


def test_streaming_fetches_an_early_output_while_its_bundle_still_runs():
    # stored from 1 s to 3 s, and fetched meanwhile by whoever is there until 3.9 s
    pairs, seconds = [(0, 1), (0, 3), (1, 3), (2, 3)], [1, 3, 3.9, 1]
    timeline = timeline_of(pairs, seconds, [200 * MB, 0, 0, 0], [0, 0, 1, 2], [0, 1, 1])
    saved, notes = saved_by(timeline, Streaming())
    assert [type(note) for note in notes] == [StreamOutputs, StreamInputs]
    assert saved == pytest.approx(2.0 + 2.0, abs=0.2)


@pytest.mark.parametrize("planner", [Uniform(), Wukong()])
def test_any_planner_composes_them(planner):
    dag, model = random_dag(4, 200), CostModel(Constant(task_output_bytes=3e6))
    plain = model.timeline(planner.plan(dag, RESOURCES), model.workload(dag), RESOURCES)
    plan = Optimized(planner, model=model).plan(dag, RESOURCES)
    plan.validate(dag)
    assert plan.planner == planner.name
    assert plan.annotations
    assert plan.prediction.makespan_seconds <= plain.makespan_seconds


@settings(max_examples=60, deadline=None)
@given(st.data(), workloads(), platforms(), st.permutations(ALL))
def test_in_any_order_they_never_make_a_plan_slower(data, workload, platform, order):
    plan = data.draw(plans(workload.dag))
    timeline = predict_timeline(plan, workload, platform, Resources(9))
    better = optimize(timeline, Resources(9), tuple(order))
    assert better.makespan_seconds <= timeline.makespan_seconds + 1e-9
    assert Plan.from_json(better.predicted_plan().to_json()) == better.predicted_plan()


@settings(deadline=None)
@given(st.data(), workloads())
def test_annotations_travel_as_json(data, workload):
    plan = data.draw(plans(workload.dag))
    for note in data.draw(annotations(plan, workload)):
        assert Annotation.from_json(note.to_json()) == note


def test_json_that_is_no_annotation_is_refused():
    with pytest.raises(AnnotationError, match="unknown annotation 'faster'"):
        Annotation.from_json({"kind": "faster"})
    with pytest.raises(AnnotationError, match=r"wrong or missing \['task'\]"):
        Annotation.from_json({"kind": "task_dup", "bundle": 1, "saves_seconds": 0.0})


@pytest.mark.parametrize(
    "note, message",
    [
        (DuplicateTask(0.0, 0, 2), "does not take task 2 from another bundle"),
        (HoldOutput(0.0, 1, 0, 1.0), "cannot hold its output"),
        (KeepChildren(0.0, 2, (0,), (0.0,), 0.0, (0.0, 0.0), (0.0, 0.0)), "cannot keep"),
    ],
)
def test_annotations_that_do_not_fit_their_plan_are_refused(note, message):
    timeline = timeline_of([(0, 2), (1, 2)], [1, 1, 1], [0] * 3, [0, 1, 2], [0, 1, 0])
    plan = replace(timeline.plan, annotations=(note,))
    with pytest.raises(AnnotationError, match=message):
        predict_timeline(plan, timeline.workload, timeline.platform, RESOURCES)
