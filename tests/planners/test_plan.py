"""Plan: what it refuses, how it prints, compares and travels."""

import json
from dataclasses import replace

import numpy as np
import pytest
from dag_shapes import chain, from_pairs, independent, tree

from planners.plans.annotations import Annotation
from planners.plans.plan import Plan, PlanError, Prediction, Resources, compare
from planners.structural import Structural
from planners.wukong import Wukong

PRELOAD = Annotation.from_json(
    {"kind": "preload", "saves_seconds": 0.5, "bundle": 2, "tasks": [1, 2]}
)
PREDICTION = Prediction(1.5, 0.25, 3.0, 2, 1_500_000)


def ids(*values):
    return np.array(values, dtype=np.int32)


def plan_of(bundles, slots=(-1, -1, -1), memory_mb=(0, 0, 0), **fields):
    return Plan("by hand", ids(*bundles), ids(*slots), ids(*memory_mb), **fields)


def a_diamond():
    edges = [(0, 1), (0, 2), (1, 3), (2, 3)]
    return from_pairs(4, edges, labels=["load", "left", "right", "add"])


GOOD = {"bundles": (0, 1, 1, 2)}


def test_a_good_plan_is_accepted():
    plan_of(**GOOD).validate(a_diamond())


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"bundles": (0, 1, 1)}, "1 of 4 tasks have no bundle, first add"),
        ({"bundles": (0, 1, 1, 2, 2)}, "for 5 tasks, but the graph has 4"),
        ({"bundles": (0, 1, 1, 3)}, "add is in bundle 3, but there are 3 bundles"),
        ({"bundles": (0, -1, 1, 2)}, "left is in bundle -1"),
        ({"bundles": (0, 2, 2, 2)}, "bundle 1 has no tasks"),
        ({"bundles": (2, 1, 1, 0)}, "left .* takes the output of load .* lower ids"),
        ({"bundles": (0, 1, 2, 0)}, "bundle . waits for itself .* (add|left|right)"),
        ({**GOOD, "slots": (-2, 0, 0)}, r"bundle 0 \(load\) has slot -2"),
        (
            {**GOOD, "memory_mb": (0, -1, 0)},
            r"bundle 1 \(left\) has -1 MB: it must not be negative",
        ),
        (
            {**GOOD, "slots": (0, -2, 0)},
            r"bundle 1 \(left\) has slot -2: .* but for -1, any container",
        ),
        ({**GOOD, "slots": (-1, -1)}, "give both for every bundle"),
        (
            {**GOOD, "slots": (4, -1, 4), "memory_mb": (128, 0, 256)},
            r"bundle 2 \(add\) has 256 MB in slot 4, where bundle 0 has 128 MB",
        ),
    ],
)
def test_a_bad_plan_is_refused_naming_the_task(fields, message):
    with pytest.raises(PlanError, match=message):
        plan_of(**fields).validate(a_diamond())


def test_arrays_of_floats_are_refused():
    plan = replace(plan_of(**GOOD), bundles=np.array([0.0, 1, 1, 2]))
    with pytest.raises(PlanError, match="bundles must be a one-dimensional array of integers"):
        plan.validate(a_diamond())


def test_the_error_carries_the_task():
    with pytest.raises(PlanError) as error:
        plan_of((0, 1, 1, 3)).validate(a_diamond())
    assert error.value.task == 3


def test_plans_are_equal_by_value():
    assert plan_of(**GOOD) == plan_of(**GOOD)
    assert plan_of(**GOOD) != plan_of((0, 1, 2, 2))
    assert plan_of(**GOOD) != replace(plan_of(**GOOD), prediction=PREDICTION)
    assert plan_of(**GOOD) != "a plan"


def test_a_plan_prints_as_a_table():
    plan = plan_of(**GOOD, slots=(-1, 0, 0), memory_mb=(0, 512, 512), prediction=PREDICTION)
    assert str(plan).splitlines() == [
        f"by hand: 4 tasks in 3 bundles, {PREDICTION}",
        "bundle  tasks  slot  memory",
        "------  -----  ----  -------",
        "     0      1  any   default",
        "     1      2  0     512 MB",
        "     2      1  0     512 MB",
    ]


def test_a_prediction_prints_as_a_line():
    line = "1.500 s, 3.000 GB s, cost 0.250000, 2 cold starts, 1.5 MB moved"
    assert str(PREDICTION) == line


def test_a_large_plan_prints_its_first_bundles():
    plan = Wukong().plan(independent(1000), Resources(2))
    assert str(plan).splitlines()[-1] == "… 980 more bundles"


def test_json_says_what_cannot_be_read():
    good = json.loads(plan_of(**GOOD).to_json())
    for text, message in (
        ("{", "not the JSON of a plan"),
        ("[]", "version None"),
        (json.dumps({**good, "version": 99}), "a plan of version 99"),
        (json.dumps({**good, "bundles": {"runs": [0, 1], "times": [1]}}), "damaged"),
        (json.dumps({**good, "annotations": [{"kind": "x"}]}), "damaged: .*unknown annotation"),
        (json.dumps({"version": 1, "planner": "x"}), "damaged"),
    ):
        with pytest.raises(PlanError, match=message):
            Plan.from_json(text)


def test_json_keeps_annotations_and_the_prediction():
    plan = plan_of(**GOOD, annotations=(PRELOAD,), prediction=PREDICTION)
    assert Plan.from_json(plan.to_json()) == plan


def test_json_of_a_regular_plan_is_short():
    plan = Structural().plan(tree(8192), Resources(2))
    assert len(plan.to_json()) < 2 * len(plan.bundles)


def test_what_cannot_travel_is_refused_when_it_is_written():
    with pytest.raises(PlanError, match="has no to_json"):
        plan_of(**GOOD, annotations=("faster",)).to_json()


def test_diff_of_equal_plans_is_empty():
    difference = plan_of(**GOOD).diff(plan_of(**GOOD))
    assert not difference
    assert str(difference).splitlines() == ["by hand → by hand", "  no difference"]


def test_diff_ignores_what_bundles_are_called():
    assert not plan_of((0, 1, 2, 2)).diff(plan_of((1, 0, 2, 2)))


def test_diff_names_what_changes():
    one = plan_of(**GOOD, prediction=PREDICTION)
    other = plan_of(
        (0, 1, 2, 2),
        slots=(3, -1, -1),
        memory_mb=(512, 0, 0),
        annotations=(PRELOAD,),
        prediction=replace(PREDICTION, makespan_seconds=1.0),
    )
    assert str(one.diff(other)).splitlines() == [
        "by hand → by hand",
        "  3 tasks in bundles with other tasks: 1, 2, 3",
        "  1 tasks in another slot: 0",
        "  1 tasks with another memory size: 0",
        f"  + {PRELOAD}",
        "  makespan_seconds: 1.5 → 1",
    ]


def test_diff_of_plans_for_other_graphs_is_refused():
    with pytest.raises(PlanError, match="4 and 3 tasks"):
        plan_of(**GOOD).diff(plan_of((0, 1, 2)))


def test_compare_shows_what_is_known():
    plans = [plan_of(**GOOD, prediction=PREDICTION), Wukong().plan(chain(3), Resources(1))]
    assert compare(plans).splitlines() == [
        "planner  bundles  slots  makespan s  cost      GB s   cold starts  bytes",
        "-------  -------  -----  ----------  --------  -----  -----------  ------",
        "by hand        3      0  1.500       0.250000  3.000  2            1.5 MB",
        "wukong         1      0  ?           ?         ?      ?            ?",
    ]
