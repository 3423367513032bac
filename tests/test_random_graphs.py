"""Any graph gives what Dask's synchronous scheduler gives: in process, and through containers."""

from __future__ import annotations

import dask
import in_process
import pytest
from annotating import Copying, Preloading, Streaming
from dask.optimization import cull
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_graphs import Unlucky, graphs, same

from dask_serverless import Serverless
from dask_serverless.translation.recipes import flat

QUIET = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large]
PLANNERS = ["structural", "wukong", "simple"]


def by_dask(graph, keys):
    """What Dask's synchronous scheduler gives; an older one runs also what nobody asked for."""
    culled, _ = cull(graph, list(flat(keys)))
    return dask.get(culled, keys)


@pytest.mark.parametrize("planner", PLANNERS)
@settings(max_examples=80, deadline=None, suppress_health_check=QUIET)
@given(case=graphs(), containers=st.integers(1, 3), inline=st.sampled_from([0, 100, 16_384]))
def test_over_the_memory_twin(planner, case, containers, inline):
    graph, keys = case
    found = in_process.get(graph, keys, planner=planner, containers=containers, inline_bytes=inline)
    assert same(found, by_dask(graph, keys))


@settings(max_examples=150, deadline=None, suppress_health_check=QUIET)
@given(case=graphs(), planner=st.sampled_from(PLANNERS), seed=st.integers(0, 99))
def test_with_tasks_that_run_again_where_they_are_needed(case, planner, seed):
    graph, keys = case
    found = in_process.get(graph, keys, planner=Copying(planner, seed), inline_bytes=0)
    assert same(found, by_dask(graph, keys))


@settings(max_examples=60, deadline=None, suppress_health_check=QUIET)
@given(case=graphs())
def test_with_inputs_that_a_thread_fetches_ahead(case):
    graph, keys = case
    found = in_process.get(graph, keys, planner=Preloading(), inline_bytes=0)
    assert same(found, by_dask(graph, keys))


@settings(max_examples=60, deadline=None, suppress_health_check=QUIET)
@given(case=graphs(), planner=st.sampled_from(PLANNERS))
def test_with_outputs_that_are_stored_while_their_bundle_still_runs(case, planner):
    graph, keys = case
    found = in_process.get(graph, keys, planner=Streaming(planner), inline_bytes=0)
    assert same(found, by_dask(graph, keys))


@settings(max_examples=60, deadline=None, suppress_health_check=QUIET)
@given(case=graphs(), observe=st.booleans())
def test_task_by_task_for_callbacks(case, observe):
    graph, keys = case
    assert same(in_process.get(graph, keys, observe=observe), by_dask(graph, keys))


@settings(max_examples=100, deadline=None, suppress_health_check=QUIET)
@given(case=graphs(failures=True))
def test_a_failure_is_a_failure_on_both_sides(case):
    graph, keys = case
    try:
        expected = by_dask(graph, keys)
    except Unlucky:
        with pytest.raises(Unlucky):
            in_process.get(graph, keys)
    else:
        assert same(in_process.get(graph, keys), expected)


@pytest.fixture(scope="module", params=PLANNERS)
def client(request):
    with Serverless(containers=2, planner=request.param, inline_bytes=1000) as client:
        yield client


@settings(max_examples=25, deadline=None, suppress_health_check=QUIET)
@given(case=graphs(most=25))
def test_through_containers(client, case):
    graph, keys = case
    assert same(client.get(graph, keys), by_dask(graph, keys))


@settings(max_examples=15, deadline=None, suppress_health_check=QUIET)
@given(case=graphs(failures=True))
def test_failures_through_containers(client, case):
    graph, keys = case
    try:
        expected = by_dask(graph, keys)
    except Unlucky:
        with pytest.raises(Unlucky):
            client.get(graph, keys)
    else:
        assert same(client.get(graph, keys), expected)
