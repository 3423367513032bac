"""The incremental timeline equals the whole one, whatever was tried and dropped before."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import SIZES_MB, plans, platforms, workloads

from planners.cost.incremental import Incremental
from planners.cost.platform import Platform
from planners.cost.timeline import predict_timeline
from planners.graph.dag import Dag
from planners.numbers.predictions import Constant
from planners.numbers.workload import Workload
from planners.plans.plan import FLEXIBLE, Plan, Resources


def assert_equal_to_whole(timeline, plan, workload, platform):
    memory = np.array(timeline.memory, dtype=np.int32)[timeline.slot]
    whole = predict_timeline(replace(plan, memory_mb=memory), workload, platform, Resources(3))
    assert timeline.finished == whole.finished.tolist()
    assert timeline.begun == whole.begun.tolist()
    assert timeline.gb_seconds == pytest.approx(whole.gb_seconds)


@settings(max_examples=200, deadline=None)
@given(st.data(), workloads(), platforms())
def test_equals_the_whole_timeline_after_any_trials(data, workload, platform):
    plan = data.draw(plans(workload.dag, flexible=False))
    timeline = Incremental(plan, workload, platform)
    assert_equal_to_whole(timeline, plan, workload, platform)
    for _ in range(4):
        slot = data.draw(st.integers(0, timeline.slot_count - 1))
        trial = timeline.try_memory([slot], data.draw(st.sampled_from(SIZES_MB)))
        assert_equal_to_whole(timeline, plan, workload, platform)
        if data.draw(st.booleans()):
            timeline.undo(trial)
            assert_equal_to_whole(timeline, plan, workload, platform)


@settings(max_examples=100, deadline=None)
@given(st.data(), workloads(), platforms())
def test_a_quick_look_never_warns_in_vain(data, workload, platform):
    platform = replace(platform, idle_seconds=0.0, warm=())
    plan = data.draw(plans(workload.dag, flexible=False))
    big = np.full_like(plan.memory_mb, SIZES_MB[1])
    timeline = Incremental(replace(plan, memory_mb=big), workload, platform)
    limit = timeline.makespan_seconds * 1.25
    latest = timeline.latest(limit)
    for slot in range(timeline.slot_count):
        warned = timeline.surely_harms(slot, SIZES_MB[0], latest)
        trial = timeline.try_memory([slot], SIZES_MB[0])
        assert not warned or timeline.makespan_seconds > limit
        timeline.undo(trial)


def test_refuses_flexible_bundles():
    ones = np.zeros(1, dtype=np.int32)
    plan = Plan("x", ones, np.full_like(ones, FLEXIBLE), ones)
    workload = Workload.predict(Dag.from_edges(1, [], []), Constant())
    with pytest.raises(ValueError, match="all have slots"):
        Incremental(plan, workload, Platform())
