"""Dag: from an edge list to arrays, or an error that names a task."""

import numpy as np
import pytest
from dag_shapes import edge_lists, from_pairs
from hypothesis import given

from planners.errors import DagError
from planners.graph.dag import Dag


def given_edges(dag):
    """The edges under the ids that were given."""
    ids = dag.original
    return set(zip(ids[dag.inputs].tolist(), ids[dag.edge_users].tolist(), strict=True))


@given(edge_lists())
def test_keeps_tasks_and_edges(graph):
    tasks, edges = graph
    dag = from_pairs(tasks, edges)
    assert given_edges(dag) == set(edges)
    assert dag.edges == len(set(edges))
    assert sorted(dag.original.tolist()) == list(range(tasks))


@given(edge_lists())
def test_every_input_comes_before_its_user(graph):
    dag = from_pairs(*graph)
    assert (dag.inputs < dag.edge_users).all()


def test_topological_ids_are_kept():
    dag = from_pairs(4, [(0, 2), (1, 2), (2, 3)])
    assert dag.given_ids is None
    assert dag.original.tolist() == [0, 1, 2, 3]


def test_new_ids_are_depth_first():
    # Given two trees whose leaves alternate
    dag = from_pairs(6, [(2, 0), (4, 0), (3, 1), (5, 1)])
    # Then each tree's tasks are neighbours
    assert dag.original.tolist() == [2, 4, 0, 3, 5, 1]


def test_a_task_that_takes_an_output_twice_has_it_once():
    dag = from_pairs(2, [(0, 1), (0, 1)])
    assert dag.inputs.tolist() == [0]


def test_columns_follow_their_tasks():
    dag = from_pairs(
        3,
        [(2, 1), (1, 0)],
        functions=[10, 11, 12],
        constant_bytes=[0, 1, 2],
        wanted=[1],
        labels=["a", "b", "c"],
    )
    assert dag.functions.tolist() == [12, 11, 10]
    assert dag.constant_bytes.tolist() == [2, 1, 0]
    assert dag.wanted.tolist() == [False, True, False]
    assert [dag.label(task) for task in range(3)] == ["c", "b", "a"]


def test_wanted_may_be_flags():
    assert from_pairs(2, [(0, 1)], wanted=[True, False]).wanted.tolist() == [True, False]


def test_without_wanted_the_client_wants_what_nobody_uses():
    assert from_pairs(3, [(0, 1)]).wanted.tolist() == [False, True, True]


@pytest.mark.parametrize(
    "edges", [[(0, 0)], [(0, 1), (1, 0)], [(0, 1), (1, 2), (2, 1)], [(2, 0), (0, 1), (1, 2)]]
)
def test_a_cycle_is_refused_by_a_task_that_is_on_it(edges):
    with pytest.raises(DagError) as error:
        from_pairs(4, edges, labels=["x-0", "x-1", "x-2", "x-3"])
    on_cycle = {f"x-{task}" for edge in edges for task in edge}
    assert str(error.value).split()[0] in on_cycle
    assert "cycle" in str(error.value)


def test_a_cycle_that_hangs_off_an_output_is_refused():
    with pytest.raises(DagError, match="task 0 needs its own output|task 1 needs its own output"):
        from_pairs(3, [(0, 1), (1, 0), (1, 2)])


@pytest.mark.parametrize(
    ("edge", "message"),
    [
        ((7, 1), "b takes an input from task 7"),
        ((-1, 1), "b takes an input from task -1"),
        ((0, 7), "a has the user 7"),
    ],
)
def test_a_dangling_id_is_refused_with_the_task_that_has_it(edge, message):
    with pytest.raises(DagError, match=message):
        from_pairs(2, [(0, 1), edge], labels=["a", "b"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"functions": [1]}, "1 values for 2 tasks"),
        ({"constant_bytes": [1, 2, 3]}, "3 values for 2 tasks"),
        ({"wanted": [5]}, "wanted"),
        ({"labels": ["a"]}, "1 labels for 2 tasks"),
        ({"wanted": [True]}, "1 flags for 2 tasks"),
    ],
)
def test_columns_of_another_length_are_refused(options, message):
    with pytest.raises(DagError, match=message):
        from_pairs(2, [(1, 0)], **options)


def test_one_consumer_too_few_is_refused():
    with pytest.raises(DagError, match="2 producers but 1 consumers"):
        Dag.from_edges(3, [0, 1], [2])


def test_a_chain_of_a_hundred_thousand_given_backwards_needs_no_recursion():
    tasks = 100_000
    dag = Dag.from_edges(tasks, np.arange(1, tasks), np.arange(tasks - 1))
    assert (dag.original == np.arange(tasks)[::-1]).all()
