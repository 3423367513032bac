"""Bundles: tasks, edges and what is stored, for a plan made by hand."""

from dataclasses import replace

import numpy as np
import pytest
from dag_shapes import edge_lists, from_pairs, independent
from hypothesis import given, settings

from planners.errors import AnnotationError
from planners.plans.annotations import DuplicateTask
from planners.plans.bundles import bundles_of
from planners.plans.plan import Plan, Resources
from planners.structural import Structural


def plan_of(*bundles):
    count = max(bundles, default=-1) + 1
    return Plan(
        planner="by hand",
        bundles=np.array(bundles, dtype=np.int32),
        slots=np.full(count, -1, dtype=np.int32),
        memory_mb=np.zeros(count, dtype=np.int32),
    )


def test_the_bundles_of_a_plan():
    # Given 0 → {2, 3}, 1 → 3, 2 → 4, 3 → 4 with 0 and 1 together, and then 2, 3 together
    dag = from_pairs(5, [(0, 2), (0, 3), (1, 3), (2, 4), (3, 4)])
    bundles = bundles_of(dag, plan_of(0, 0, 1, 1, 2))
    # Then both users of 0 are one edge
    edges = (bundles.edge_tasks, bundles.edge_producers, bundles.edge_consumers)
    assert list(zip(*(array.tolist() for array in edges), strict=True)) == [
        (0, 0, 1),
        (1, 0, 1),
        (2, 1, 2),
        (3, 1, 2),
    ]
    assert [bundles.tasks_of(bundle).tolist() for bundle in range(3)] == [[0, 1], [2, 3], [4]]
    assert bundles.input_offsets.tolist() == [0, 0, 2, 4]
    assert bundles.output_edges.tolist() == [0, 1, 2, 3]
    assert bundles.output_offsets.tolist() == [0, 2, 4, 4]


def test_what_only_its_own_bundle_needs_is_not_stored():
    dag = from_pairs(4, [(0, 1), (1, 2), (1, 3)])
    assert bundles_of(dag, plan_of(0, 0, 0, 1)).stored.tolist() == [False, True, True, True]


def test_what_the_client_wants_is_stored():
    dag = from_pairs(2, [(0, 1)], wanted=[0])
    assert bundles_of(dag, plan_of(0, 0)).stored.tolist() == [True, False]


def test_no_tasks_are_no_bundles():
    bundles = bundles_of(independent(0), plan_of())
    assert bundles.count == 0
    assert bundles.output_offsets.tolist() == [0]


@settings(deadline=None)
@given(edge_lists())
def test_edges_equal_those_found_one_by_one(graph):
    dag = from_pairs(*graph)
    plan = Structural().plan(dag, Resources(2))
    bundles = bundles_of(dag, plan)
    bundle_of = plan.bundles.tolist()
    expected = {
        (bundle_of[user], task)
        for task, user in zip(dag.inputs.tolist(), dag.edge_users.tolist(), strict=True)
        if bundle_of[task] != bundle_of[user]
    }
    found = zip(bundles.edge_consumers.tolist(), bundles.edge_tasks.tolist(), strict=True)
    assert list(found) == sorted(expected)


def test_a_copy_is_fed_with_what_the_task_takes():
    # Given 0 → 1 → {2, 3}, each a bundle of its own, and a copy of 1 in the bundle of 3
    dag = from_pairs(4, [(0, 1), (1, 2), (1, 3)])
    plan = replace(plan_of(0, 1, 2, 3), annotations=(DuplicateTask(0.0, bundle=3, task=1),))
    bundles = bundles_of(dag, plan)
    # Then that bundle takes 0 instead of 1, and runs 1 itself
    edges = zip(bundles.edge_tasks.tolist(), bundles.edge_consumers.tolist(), strict=True)
    assert list(edges) == [(0, 1), (1, 2), (0, 3)]
    assert bundles.copies == {3: [1]}
    assert [bundles.tasks_of(bundle).tolist() for bundle in range(4)] == [[0], [1], [2], [3]]


def test_what_all_users_run_again_is_not_stored():
    dag = from_pairs(3, [(0, 1), (0, 2)])
    notes = tuple(DuplicateTask(0.0, bundle, 0) for bundle in (1, 2))
    bundles = bundles_of(dag, replace(plan_of(0, 1, 2), annotations=notes))
    assert bundles.stored.tolist() == [False, True, True]
    assert bundles.roots.tolist() == [0, 1, 2]


def test_a_task_that_may_give_something_else_is_not_copied():
    dag = replace(from_pairs(2, [(0, 1)]), repeatable=np.array([False, True]))
    plan = replace(plan_of(0, 1), annotations=(DuplicateTask(0.0, 1, 0),))
    with pytest.raises(AnnotationError, match="may give something else"):
        plan.validate(dag)
