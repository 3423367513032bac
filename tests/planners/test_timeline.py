"""The timeline against a slow reference, and what must hold of it for any plan."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_timeline import Reference, Stuck
from strategies import SIZES_MB, annotations, plans, platforms, workloads

from planners.cost.timeline import lower_bound_seconds, predict_timeline
from planners.errors import AnnotationError, Stalled
from planners.plans.plan import Resources

QUICK = settings(max_examples=150, deadline=None)


def assert_equal_to_reference(plan, workload, platform, containers):
    resources = Resources(containers)
    try:
        timeline = predict_timeline(plan, workload, platform, resources)
    except Stalled:
        with pytest.raises(Stuck):
            Reference(plan, workload, platform, containers).run()
        return
    expected = Reference(plan, workload, platform, containers).run()
    bundles = range(len(plan.slots))
    assert timeline.begun.tolist() == [expected.begun[bundle] for bundle in bundles]
    assert timeline.fetched.tolist() == [expected.fetched[bundle] for bundle in bundles]
    assert timeline.finished.tolist() == [expected.finished[bundle] for bundle in bundles]
    assert timeline.container.tolist() == [expected.container[bundle] for bundle in bundles]
    assert timeline.containers.cold.tolist() == expected.cold
    assert timeline.bytes_moved == expected.moved
    assert timeline.gb_seconds == pytest.approx(expected.gb_seconds)
    assert timeline.makespan_seconds == expected.makespan


@QUICK
@given(st.data(), workloads(), platforms(), st.integers(1, 5))
def test_equals_the_reference(data, workload, platform, containers):
    plan = data.draw(plans(workload.dag))
    assert_equal_to_reference(plan, workload, platform, containers)


@QUICK
@given(st.data(), workloads(), platforms(), st.integers(1, 5))
def test_equals_the_reference_with_optimizations(data, workload, platform, containers):
    plan = data.draw(plans(workload.dag))
    fitting = ()
    for note in data.draw(annotations(plan, workload)):
        try:
            with_it = replace(plan, annotations=(*fitting, note))
            predict_timeline(with_it, workload, platform, Resources(99))
        except AnnotationError:
            continue
        fitting = (*fitting, note)
    plan = replace(plan, annotations=fitting)
    assert_equal_to_reference(plan, workload, platform, containers)


@QUICK
@given(st.data(), workloads(), platforms(), st.integers(1, 5))
def test_never_faster_than_the_longest_path_or_all_containers_at_work(
    data, workload, platform, containers
):
    plan = data.draw(plans(workload.dag, slots=False))
    resources = Resources(containers)
    timeline = predict_timeline(plan, workload, platform, resources)
    bound = lower_bound_seconds(workload, max(SIZES_MB), platform, resources)
    assert timeline.makespan_seconds >= bound
    assert timeline.makespan_seconds >= float(timeline.task_seconds.sum()) / containers
    assert timeline.makespan_seconds >= timeline.task_completed.max()


@QUICK
@given(st.data(), workloads(), platforms())
def test_more_memory_never_slows_a_plan_of_slots(data, workload, platform):
    # Where containers compete for warm ones, or flexible bundles for containers, Graham's anomaly
    # is real: whoever finishes earlier may take what another one waits for.
    platform = replace(platform, idle_seconds=0.0, warm=())
    plan = data.draw(plans(workload.dag, flexible=False))
    small = replace(plan, memory_mb=np.full_like(plan.memory_mb, SIZES_MB[0]))
    some = data.draw(st.sets(st.sampled_from([0, 1, 2])))
    more = np.where(np.isin(plan.slots, list(some)), SIZES_MB[1], SIZES_MB[0])
    big = replace(plan, memory_mb=more.astype(np.int32))
    slow = predict_timeline(small, workload, platform, Resources(3))
    fast = predict_timeline(big, workload, platform, Resources(3))
    assert (fast.finished <= slow.finished).all()
