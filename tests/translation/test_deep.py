"""Deep nesting is no recursion of ours: what Dask runs is run, or refused with the key's name."""

from __future__ import annotations

import dask
import in_process
import numpy as np
import pytest
from dask._task_spec import DataNode, Dict, List, Task, TaskRef

from dask_serverless.errors import InputNotPicklable, ResultNotPicklable
from dask_serverless.translation.constants import is_plain


def nest(levels, kind=list, bottom=1):
    value = bottom
    for _ in range(levels):
        value = {"a": value} if kind is dict else kind([value])
    return value


def depth(value):
    levels = 0
    while isinstance(value, (list, tuple, dict)):
        (value,) = value.values() if isinstance(value, dict) else value
        levels += 1
    return levels


def graphs(levels, kind):
    yield {"y": (depth, nest(levels, kind))}
    yield {"y": Task("y", depth, nest(levels, kind))}
    yield {"x": DataNode("x", nest(levels, kind)), "y": (depth, "x")}


@pytest.mark.parametrize("kind", [list, tuple, dict])
def test_constants_nested_as_deeply_as_pickle_goes_arrive(kind):
    for levels in (15, 16, 17, 300):
        for graph in graphs(levels, kind):
            assert in_process.get(graph, "y") == dask.get(graph, "y") == levels


@pytest.mark.parametrize("kind", [list, dict])
def test_constants_nested_more_deeply_are_refused_with_their_key(kind):
    for graph in list(graphs(20_000, kind))[1:]:
        assert dask.get(graph, "y") == 20_000
        with pytest.raises(InputNotPicklable, match="task 'y'.*recursion"):
            in_process.get(graph, "y")


def test_only_shallow_constants_go_into_bundles_as_they_are():
    assert is_plain([{"a": (1, "x", None)}])
    assert is_plain(nest(16))
    assert not is_plain(nest(17))
    assert not is_plain(nest(100_000))
    assert not is_plain({"a": nest(100_000)})
    assert is_plain({"dtype": np.float64, "out": None, "shape": (int, str)})
    assert not is_plain([object()]) and not is_plain([type("Mine", (), {})])
    assert not is_plain({object(): 1})


@pytest.mark.parametrize("levels", [50, 200])
def test_nested_tasks_run_as_deep_as_those_of_dask(levels):
    lists, dicts, keywords = TaskRef("x"), TaskRef("x"), TaskRef("x")
    for _ in range(levels):
        lists = List(lists)
        dicts = Dict({"a": dicts})
        keywords = Task(None, dict, a=keywords)
    for nested in (lists, dicts, keywords):
        graph = {"x": Task("x", abs, -1), "y": Task("y", depth, nested)}
        assert in_process.get(graph, "y") == dask.get(graph, "y") == levels


def test_a_result_nested_too_deeply_is_named(serverless):
    with pytest.raises(ResultNotPicklable, match="nest returned"):
        serverless({"y": (nest, 20_000)}, "y")
    assert serverless({"y": (nest, 300)}, "y") == nest(300)


def test_an_endless_recursion_of_a_task_keeps_its_type(serverless):
    def forever(n):
        return forever(n + 1) + 1

    with pytest.raises(RecursionError, match="maximum recursion depth") as caught:
        serverless({"y": (forever, 0)}, "y")
    assert "forever for the key 'y'" in caught.value.__notes__[-1]
