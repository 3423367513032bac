"""Joining: bundles become one where that is better than to move what they leave, and only there."""

from dataclasses import replace

import numpy as np
import pytest
from dag_shapes import from_pairs

from planners.cost.platform import Platform
from planners.cost.timeline import predict_timeline
from planners.numbers.predictions import VCPU_MB, Constant
from planners.numbers.workload import Workload
from planners.optimizations.joining import Joining
from planners.optimizations.optimization import optimize
from planners.plans.annotations import HoldOutput, JoinBundles
from planners.plans.plan import Resources
from planners.wukong import Wukong

MB = 1_000_000


def tree(leaves):
    """Pairs of (producer, consumer), and how many tasks."""
    pairs, level, count = [], list(range(leaves)), leaves
    while len(level) > 1:
        above = []
        for first in range(0, len(level), 2):
            pairs += [(one, count) for one in level[first : first + 2]]
            above.append(count)
            count += 1
        level = above
    return pairs, count


def timeline_of(pairs, tasks, containers, *, seconds=0.005, nbytes=4 * MB, **options):
    """At a millisecond and 100 MB a second."""
    dag = from_pairs(tasks, pairs)
    numbers = Constant(task_seconds=seconds, task_output_bytes=nbytes, **options)
    resources = Resources(containers, VCPU_MB)
    platform = Platform(warm=((VCPU_MB, containers),))
    plan = Wukong().plan(dag, resources)
    return predict_timeline(plan, Workload.predict(dag, numbers), platform, resources)


def improved(timeline, containers, joining=None):
    return (joining or Joining()).improved(timeline, Resources(containers, VCPU_MB))


@pytest.mark.parametrize("leaves, containers", [(64, 8), (48, 6), (100, 5), (1000, 16)])
def test_of_a_tree_each_container_gets_a_part_of_its_own(leaves, containers):
    before = timeline_of(*tree(leaves), containers)
    after = improved(before, containers)
    after.plan.validate(after.workload.dag)
    assert after.makespan_seconds < before.makespan_seconds / 2
    assert after.bytes_moved < before.bytes_moved / 10
    (note,) = after.plan.annotations
    assert note.fewer == len(before.plan.slots) - len(after.plan.slots)
    saved = before.makespan_seconds - after.makespan_seconds
    assert note == JoinBundles(saves_seconds=pytest.approx(saved), fewer=note.fewer)


def test_rows_that_hardly_meet_stay_whole():
    rows, steps, pairs = 8, 6, []
    first = [row * (2 * steps + 1) for row in range(rows)]
    end = rows * (2 * steps + 1)
    for begin in first:
        value = begin
        for side in range(begin + 1, begin + 2 * steps, 2):
            pairs += [(value, side + 1), (side, side + 1)]
            value = side + 1
        pairs.append((value, end))
    after = improved(timeline_of(pairs, end + 1, rows), rows)
    assert len(after.plan.slots) == rows + 1
    assert after.bytes_moved <= 2 * (rows + 1) * 4 * MB


def test_where_tasks_take_longer_than_what_they_leave_nothing_is_joined():
    before = timeline_of(*tree(64), 8, seconds=5.0)
    assert improved(before, 8) is before


def test_small_outputs_are_not_worth_a_look():
    before = timeline_of(*tree(64), 8, nbytes=1000)
    assert improved(before, 8) is before


def test_no_bundle_gets_more_than_a_container_can_bear():
    before = timeline_of(*tree(64), 2)
    for limit in (Joining(most_seconds=0.01), Joining(most_memory=0.001)):
        assert improved(before, 2, limit) is before
    assert improved(before, 2) is not before


def test_slots_and_what_was_asked_of_containers_stay_as_they_are():
    before = timeline_of(*tree(16), 4)
    slotted = replace(before.plan, slots=np.zeros_like(before.plan.slots))
    asked = replace(before.plan, annotations=(HoldOutput(0.1, 0, len(before.plan.slots) - 1, 1.0),))
    for plan in (slotted, asked):
        timeline = replace(before, plan=plan)
        assert improved(timeline, 4) is timeline


def test_what_it_leaves_apart_others_may_look_at():
    resources = Resources(8, VCPU_MB)
    before = timeline_of(*tree(64), 8)
    joined = improved(before, 8)
    assert optimize(before, resources).makespan_seconds <= joined.makespan_seconds + 1e-9
