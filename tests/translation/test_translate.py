"""Translation: what Dask hands over, run in process, gives what Dask gives; nonsense is refused."""

from __future__ import annotations

import operator

import dask
import dask.array as da
import dask.bag as db
import dask.dataframe as dd
import in_process
import numpy as np
import pandas as pd
import pytest
from dask import delayed
from dask._task_spec import (
    Alias,
    DataNode,
    Dict,
    List,
    Task,
    TaskRef,
    execute_graph,
    fuse_linear_task_spec,
)
from dask.highlevelgraph import HighLevelGraph, MaterializedLayer

from dask_serverless.errors import GraphError, MissingKey
from dask_serverless.translation.recipes import flat
from dask_serverless.translation.translate import materialise, translate


def inc(x):
    return x + 1


def keywords(*args, **kwargs):
    return args, sorted(kwargs.items())


def both(graph, keys):
    """Our result, once it has proved to be Dask's."""
    found = in_process.get(graph, keys)
    assert found == dask.get(graph, keys)
    return found


# What there is to run


@pytest.mark.parametrize(
    ("graph", "keys"),
    [
        ({"a": 1}, "a"),
        ({"a": 1, "b": (inc, "a")}, "b"),
        ({"a": 1, "b": (inc, "a")}, ["b", "a"]),
        ({"a": 1, "b": (inc, "a")}, [["b"], ["a", ["b", []]]]),
        ({"a": 1, "b": (inc, "a")}, []),
        ({("x", 0): 1, ("x", 1): (inc, ("x", 0))}, [("x", 1), ("x", 0)]),
        ({"text": 2, 3: (inc, "text"), 1.5: (inc, 3)}, [1.5, 3]),
        ({"a": (inc, (inc, (inc, 1)))}, "a"),
        ({"a": 1, "b": (sum, ["a", 2, (inc, "a"), [3][0]])}, "b"),
        ({"a": 1, "b": (keywords, ["a", ["a", ("a",)]], {"k": "a"})}, "b"),
        ({"a": 1, "b": ["a", "a", 2]}, "b"),
        ({"a": 1, "b": ["a", ["a", ["a"]]], "c": (len, "b")}, ["b", "c"]),
        ({"a": 1, "b": "a", "c": "b"}, "c"),
        ({"a": (inc, 1), "b": "a", "c": "b", "d": (inc, "c")}, ["c", "d", "a"]),
        ({"a": None, "b": (operator.is_, "a", None)}, ["a", "b"]),
        ({"a": "not a key", "b": (len, "a"), "c": (len, "other text")}, ["a", "b", "c"]),
        ({"a": (inc, 1), "b": (operator.add, "a", "a")}, ["b", "b", "b"]),
        ({"a": (dict, [["x", 1], ["y", (inc, 1)]])}, "a"),
        ({"a": (slice, 1, 2), "b": slice(None)}, ["a", "b"]),
        ({"a": (tuple, [1, 2]), "b": (1, 2), "c": (inc,)[0](1)}, ["a", "b", "c"]),
    ],
)
def test_legacy_graphs(graph, keys):
    both(graph, keys)


@pytest.mark.parametrize(
    "node",
    [
        Task("k", inc, TaskRef("a")),
        Task("k", keywords, TaskRef("a"), x=TaskRef("b"), y=3),
        Task("k", keywords, x=List(TaskRef("a"), 2)),
        Task("k", keywords, List(List(TaskRef("a")), TaskRef("b"), "text")),
        Task("k", keywords, Dict({"x": TaskRef("a"), "y": List(TaskRef("b"))})),
        Task("k", keywords, Task(None, inc, TaskRef("a")), Task(None, inc, 5)),
        Task("k", keywords, DataNode(None, [1, 2])),
        Task("k", keywords, Alias("b"), Alias("a")),
        Alias("k", "b"),
        DataNode("k", (TaskRef, 1)),
        List(TaskRef("a"), TaskRef("b"), 3),
        Dict({"x": TaskRef("a"), "y": [1]}),
        Task("k", keywords, Task(None, keywords, Task(None, inc, TaskRef("a")), z=TaskRef("b"))),
    ],
    ids=str,
)
def test_task_specs(node):
    graph = {"a": DataNode("a", 1), "b": Task("b", inc, TaskRef("a")), "k": node}
    both(graph, ["k", "b"])


def test_fused_tasks_become_steps():
    graph = {"a": Task("a", inc, 1)}
    for i in range(5):
        before = "abcdef"[i]
        graph["abcdefg"[i + 1]] = Task("abcdefg"[i + 1], operator.add, TaskRef(before), 10**i)
    fused = fuse_linear_task_spec(dict(graph), ["f"])
    assert len(fused) < len(graph)
    assert in_process.get(fused, "f") == execute_graph(graph, keys=["f"])["f"]
    assert all(f is not execute_graph for f in translate(fused, "f").functions)


def test_expressions_and_high_level_graphs_are_materialised_once():
    calls = []

    class Counted(MaterializedLayer):
        def __iter__(self):
            calls.append("iter")
            return super().__iter__()

    graph = HighLevelGraph(
        {"x": Counted({"x": 1}), "y": MaterializedLayer({"y": (inc, "x")})},
        {"x": set(), "y": {"x"}},
    )
    assert in_process.get(materialise(graph), "y") == 2
    x = da.ones(6, chunks=2) + 1
    expression = x.sum()
    assert in_process.get(materialise(expression), list(expression.__dask_keys__())) == (12.0,)


def compute_in_process(collection):
    def scheduler(graph, keys, **options):
        return in_process.get(materialise(graph), keys)

    return dask.compute(collection, scheduler=scheduler)[0]


FRAME = pd.DataFrame({"a": np.arange(60) % 7, "b": np.arange(60.0)})


@pytest.mark.parametrize(
    "collection",
    [
        da.arange(100, chunks=7).cumsum(axis=0),
        (da.ones((9, 9), chunks=4) @ da.ones((9, 9), chunks=2)).sum(axis=1),
        da.arange(20, chunks=3)[::-2],
        da.map_overlap(lambda x: x * 2, da.arange(20, chunks=5), depth=1, boundary="none"),
        dd.from_pandas(FRAME, npartitions=4).groupby("a").b.agg(["mean", "max"]),
        dd.from_pandas(FRAME, npartitions=3).merge(dd.from_pandas(FRAME, npartitions=2), on="a"),
        dd.from_pandas(FRAME, npartitions=3).set_index("b"),
        db.range(50, npartitions=4).foldby(lambda n: n % 3, operator.add, 0),
        db.range(20, npartitions=3).map(inc).filter(lambda n: n % 2).topk(3),
        delayed(sum)([delayed(inc)(i) for i in range(10)]),
        delayed({"x": [delayed(inc)(1)], "y": (delayed(inc)(2), 3)}),
    ],
    ids=lambda c: type(c).__name__,
)
def test_collections_give_what_dask_gives(collection):
    found, expected = compute_in_process(collection), collection.compute(scheduler="sync")
    if isinstance(expected, pd.DataFrame):
        columns = list(expected.columns)
        found, expected = found.sort_values(columns), expected.sort_values(columns)
        pd.testing.assert_frame_equal(
            *(frame.reset_index(drop=True) for frame in (found, expected))
        )
    else:
        np.testing.assert_equal(found, expected)


# The result of a translation


def test_only_what_the_keys_need_is_translated():
    graph = {"a": (inc, 1), "b": (inc, "a"), "unneeded": (inc, "b")}
    assert list(translate(graph, "b").dag.labels) == ["a", "b"]


def test_ids_are_topological_and_each_task_appears_once():
    graph = {f"x{i}": (sum, [f"x{j}" for j in range(i)]) for i in range(12)}
    dag = translate(graph, "x11").dag
    assert sorted(dag.labels) == sorted(graph)
    for task in range(dag.tasks):
        inputs = dag.inputs[dag.input_offsets[task] : dag.input_offsets[task + 1]]
        assert (inputs < task).all()
        assert len(inputs) == int(dag.labels[task][1:])


def test_constants_and_aliases_are_no_tasks():
    graph = {"a": 1, "b": "a", "c": DataNode("c", [1]), "d": (operator.add, "b", 2)}
    translation = translate(graph, ["d", "c", "b"])
    assert translation.dag.labels == ["d"]
    assert sorted(map(str, translation.constants.values())) == ["1", "2", "[1]"]


def test_one_object_is_one_constant_and_one_function():
    shared = [1, 2]
    graph = {f"x{i}": (operator.add, shared, shared) for i in range(5)}
    translation = translate(graph, list(graph))
    assert translation.functions.count(operator.add) == 1


def test_sinks_that_only_gather_run_on_the_client():
    x = da.ones(10, chunks=2) + 1
    graph = materialise(x)
    translation = translate(graph, x.__dask_keys__())
    assert not any("finalize" in str(label) for label in translation.dag.labels)


def test_a_deep_chain_is_no_recursion():
    graph = {0: (inc, -1)}
    graph |= {i: (inc, i - 1) for i in range(1, 5001)}
    assert in_process.get(graph, 5000) == 5000


def test_deeply_nested_tasks_are_no_recursion_before_dask_is_one():
    task = (inc, 1)
    for _ in range(100):
        task = (inc, task)
    both({"a": task}, "a")


def test_a_long_chain_of_lists_is_no_recursion():
    graph = {0: Task(0, inc, -1)}
    graph |= {i: List(TaskRef(i - 1)) for i in range(1, 5000)}
    assert translate(graph, 4999).dag.labels[0] == 0
    found = in_process.get(graph, 40)
    for _ in range(40):
        (found,) = found
    assert found == 0


@pytest.mark.timeout(20)
def test_lists_that_share_lists_are_made_once():
    """Forty levels of two that need each other's parts would be a billion ways down and more."""
    graph = {"a0": (inc, 1), "b0": (inc, 2)}
    for i in range(1, 40):
        graph[f"a{i}"] = List(TaskRef(f"a{i - 1}"), TaskRef(f"b{i - 1}"))
        graph[f"b{i}"] = List(TaskRef(f"b{i - 1}"), TaskRef(f"a{i - 1}"))
    found = in_process.get(graph, ["a39", "b39"])
    assert found[0][0] is found[1][1]


def test_flat_walks_nested_lists():
    assert list(flat(["a", [("b", 1), [[]], ["c"]]])) == ["a", ("b", 1), "c"]


# Nonsense


def test_a_key_that_is_not_there_is_named():
    with pytest.raises(MissingKey, match="no key 'missing'"):
        translate({"a": 1}, "missing")
    with pytest.raises(KeyError):
        translate({"a": 1}, ["a", ["missing"]])


def test_an_input_that_is_not_there_is_named():
    with pytest.raises(MissingKey, match="no key 'missing'"):
        translate({"a": Task("a", inc, TaskRef("missing"))}, "a")


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "graph",
    [
        {"a": (inc, "a")},
        {"a": (inc, "b"), "b": (inc, "a")},
        {"a": (inc, "b"), "b": (inc, "c"), "c": (sum, ["b", "a"])},
        {"a": "b", "b": "a"},
        {"a": Alias("a", "b"), "b": Alias("b", "c"), "c": Alias("c", "b")},
        {"a": ["b"], "b": ["a"]},
        {"a": (inc, "x"), "x": "y", "y": "x"},
        {"a": List(TaskRef("b")), "b": Dict({"x": TaskRef("a")})},
    ],
    ids=str,
)
def test_a_cycle_is_said_and_no_hang(graph):
    with pytest.raises(GraphError, match="cycle"):
        translate(graph, "a")


def test_a_diamond_of_shared_inputs_is_no_cycle():
    graph = {"a": (inc, 1)}
    for i in range(30):
        graph[f"l{i}"] = (inc, f"j{i - 1}" if i else "a")
        graph[f"r{i}"] = (operator.add, f"j{i - 1}" if i else "a", f"l{i}")
        graph[f"j{i}"] = (sum, [f"l{i}", f"r{i}", "a", f"l{i}"])
    both(graph, "j29")
