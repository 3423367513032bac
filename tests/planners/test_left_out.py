"""Left out: annotations that cannot be carried out, beside those that can."""

import re
from dataclasses import replace

import numpy as np
import pytest
from dag_shapes import from_pairs
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import annotations, plans, workloads

from planners.plans.annotations import (
    CheckFanIn,
    DuplicateTask,
    HoldOutput,
    KeepChildren,
    LeftOut,
    PreloadInputs,
    StartContainers,
    StreamInputs,
    StreamOutputs,
)
from planners.plans.checked import CheckedPlanner
from planners.plans.plan import FLEXIBLE, Plan, Resources

NAN = float("nan")
NONE = (0.0, 0.0)


class Given:
    """0 and 1 feed 2, 1 feeds 3; each one task, in slots 0, 1, 0 and none."""

    def __init__(self, *notes, slots=(0, 1, 0, FLEXIBLE)):
        self.answer = Plan("given", [0, 1, 2, 3], list(slots), [0, 0, 0, 0], notes)

    def plan(self, dag, resources):
        return self.answer


def checked(*notes, **given):
    dag = from_pairs(4, [(0, 2), (1, 2), (1, 3)])
    return CheckedPlanner(Given(*notes, **given), "given").plan(dag, Resources(2)).annotations


@pytest.mark.parametrize(
    "note",
    [
        PreloadInputs(0.1, 2, (1,)),
        PreloadInputs(0.1, 2, (1, 3)),  # some of it can be done
        StreamInputs(-0.1, 2, (1,)),
        StreamOutputs(0.1, 1, (1,)),
        StartContainers(0.1, -1, 512, 2, 60.0),
        DuplicateTask(0.1, 3, 1),
    ],
)
def test_what_can_be_carried_out_stays_as_it_is(note):
    assert checked(note) == (note,)


@pytest.mark.parametrize(
    ("note", "why"),
    [
        (PreloadInputs(0.1, 2, (3,)), r"bundle 2 takes none of the tasks \(3,\)"),
        (PreloadInputs(0.1, 3, (1,)), "bundle 3 has no slot"),
        (PreloadInputs(0.1, 1, (0,)), "bundle 1 is the first of its slot"),
        (PreloadInputs(0.1, 99, (0,)), "bundle is 99: the plan has no such bundle"),
        (PreloadInputs(0.1, 2, (99,)), r"tasks is \(99,\): the graph has no such task"),
        (PreloadInputs("a", "b", (1,)), "saves_seconds is 'a'"),
        (PreloadInputs(NAN, 2, (1,)), "saves_seconds is nan: it must be a finite number"),
        (StreamInputs(0.1, 2, (3,)), "takes none of the tasks"),
        (StreamOutputs(0.1, 0, (1, 2)), "bundle 0 has none of the tasks"),
        (StartContainers(0.1, -1, 512, 10**6, 0.0), "at most 2 containers, not 1000000"),
        (StartContainers(0.1, -1, 512, 1, 1e9), "delay_seconds is 1000000000.0: .* within a day"),
        (DuplicateTask(0.1, 0, 1), "bundle 0 does not take task 1"),
        (HoldOutput(0.1, 0, 3, 1.0), "bundle 0 cannot hold its output for bundle 3"),
        (CheckFanIn(0.1, 0, 9), "child is 9"),
        (KeepChildren(0.1, 0, (2,), (0.1,), 0.0, NONE, NONE), r"bundle 0 cannot keep \(2,\)"),
        (KeepChildren(0.1, 1, (3,), (), 0.0, NONE, NONE), "child_seconds is not one a child"),
    ],
)
def test_what_cannot_is_left_out_with_why_and_what_else_there_is_stays(note, why):
    good = PreloadInputs(0.1, 2, (1,))
    left_out, kept = checked(note, good)
    assert isinstance(left_out, LeftOut) and left_out.what == note.kind
    assert re.search(why, left_out.why), left_out.why
    assert kept == good


def test_what_a_copy_makes_needless_is_left_out():
    copy, early = DuplicateTask(0.1, 2, 1), PreloadInputs(0.1, 2, (1,))
    kept, left_out = checked(copy, early)
    assert kept == copy and "takes none of the tasks" in left_out.why


@settings(max_examples=200, deadline=None)
@given(st.data(), workloads(), st.integers(0, 3))
def test_what_is_left_is_legal_whatever_was_asked(data, workload, wrong):
    dag = workload.dag
    plan = data.draw(plans(dag))
    notes = tuple(data.draw(annotations(plan, workload))) + (CheckFanIn(0.0, 0, 10**9),) * wrong
    asked = replace(plan, annotations=notes)
    kept = CheckedPlanner(Fixed(asked), "fixed").plan(dag, Resources(3))
    assert len(kept.annotations) == len(notes)
    left = tuple(note for note in kept.annotations if not isinstance(note, LeftOut))
    asked_for = iter(notes)  # two may be alike, of which one is left out
    assert all(note in asked_for for note in left)
    replace(plan, annotations=left).validate(dag)
    assert np.array_equal(kept.bundles, plan.bundles)


class Fixed:
    def __init__(self, plan):
        self.answer = plan

    def plan(self, dag, resources):
        return self.answer
