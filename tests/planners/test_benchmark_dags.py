"""The graphs that planners are judged by: as many and as large as they say, the same each time."""

import numpy as np
import pytest

from benchmarks.dags import DAGS, SIZES
from planners.plans.plan import Resources
from planners.structural import Structural


def test_there_are_sixty():
    assert len(DAGS) == 60


@pytest.mark.parametrize("name", DAGS)
def test_every_task_has_its_numbers(name):
    workflow = DAGS[name]()
    for column in workflow[1:]:
        assert len(column) == workflow.dag.tasks
        assert (column > 0).all()
    assert (workflow.dag.inputs < workflow.dag.edge_users).all()
    Structural().plan(workflow.dag, Resources(8)).validate(workflow.dag)


@pytest.mark.parametrize("shape", ["montage", "cybershake", "epigenomics", "ligo", "sipht"])
@pytest.mark.parametrize("size", SIZES)
def test_pegasus_shapes_have_about_the_size_asked_for(shape, size):
    assert size * 0.94 - 3 <= DAGS[f"{shape}-{size}"]().dag.tasks <= size


@pytest.mark.parametrize("name", ["sipht-300", "layered-30x30-ccr-1"])
def test_a_graph_is_the_same_each_time(name):
    one, other = DAGS[name](), DAGS[name]()
    assert np.array_equal(one.dag.inputs, other.dag.inputs)
    assert all(map(np.array_equal, one[1:], other[1:]))


def test_the_ratio_is_that_of_moving_to_running():
    one, other = DAGS["stencil-16x16-ccr-0.1"](), DAGS["stencil-16x16-ccr-10"]()
    assert np.array_equal(one.seconds, other.seconds)
    assert np.allclose(other.output_bytes, 100 * one.output_bytes, rtol=1e-5)


def test_divide_and_conquer_meets_at_its_leaves():
    dag = DAGS["divide-and-conquer-128-ccr-1"]().dag
    assert dag.tasks == 2 * 255 - 128
    assert dag.edges == 2 * 254
    assert np.count_nonzero(dag.input_counts == 0) == 1
    assert np.count_nonzero(dag.user_counts == 0) == 1
