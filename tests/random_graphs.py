"""Graphs for Hypothesis: any shape, any way Dask has to write a task, outputs of any size."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
from dask._task_spec import Alias, DataNode, Task, TaskRef
from hypothesis import strategies as st

SIZES = (0, 1, 30, 3000, 40_000)  # nothing, inline, and in a place of its own


class Unlucky(Exception):
    """Raised by tasks of random graphs."""


def total(*values: Any, **named: Any) -> int:
    """A number from whatever comes: nested containers, arrays, text."""
    return sum(number(v) for v in values) + sum(number(v) * 2 for v in named.values())


def number(value: Any) -> int:
    if isinstance(value, dict):
        return sum(number(k) + 3 * number(v) for k, v in value.items())
    if isinstance(value, (list, tuple)):
        return sum((i + 1) * number(v) for i, v in enumerate(value)) % 1_000_003
    if isinstance(value, (set, frozenset)):
        return sum(map(number, value))
    if isinstance(value, np.ndarray):
        return int(value.sum()) % 1_000_003
    if isinstance(value, (str, bytes)):
        return len(value)
    return int(value or 0)


def array(*values: Any, size: int) -> np.ndarray:
    return np.arange(size) + total(*values)


def text(*values: Any, size: int) -> str:
    return f"{total(*values)}" * (size // 10)


def pair(*values: Any) -> tuple[Any, ...]:
    return tuple(values)


def unlucky(*values: Any) -> None:
    raise Unlucky(total(*values))


SHARED = np.arange(20_000)  # a constant worth storing once
SMALL = {"a": [1, 2, (3, 4)], "b": None}


@st.composite
def graphs(draw: st.DrawFn, most: int = 16, failures: bool = False) -> tuple[dict[Any, Any], Any]:
    """(graph, keys)"""
    graph: dict[Any, Any] = {}
    size = draw(st.integers(1, most))
    for i in range(size):
        key = draw(st.sampled_from([f"k{i}", ("k", i), ("k", "x", i)]))
        graph[key] = draw(nodes(key, list(graph), failures))
    names = list(graph)
    one = st.sampled_from(names)
    keys = draw(st.recursive(one, lambda inner: st.lists(inner, max_size=4), max_leaves=6))
    return graph, keys


@st.composite
def nodes(draw: st.DrawFn, key: Any, before: list[Any], failures: bool) -> Any:
    kinds = ["constant", "legacy", "legacy", "task", "task", "nested"]
    if before:
        kinds += ["alias", "list", "datanode"]
    if failures:
        kinds += ["failure"]
    kind = draw(st.sampled_from(kinds))
    inputs = draw(st.lists(st.sampled_from(before), max_size=5)) if before else []
    if kind == "constant":
        return draw(st.sampled_from([1, "text", 2.5, None, SHARED, {"x": 1}]))
    if kind == "datanode":
        return DataNode(key, draw(st.sampled_from([SMALL, SHARED, (1, 2)])))
    if kind == "alias":
        target = draw(st.sampled_from(before))
        return draw(st.sampled_from([target, Alias(key, target)]))
    if kind == "list":
        return [*inputs, 7]
    if kind == "failure":
        return (unlucky, *inputs)
    if kind == "nested":
        return (total, inputs, [inputs, [(operator.neg, 3)]], (operator.add, 1, 2), *inputs[:1])
    size = draw(st.sampled_from(SIZES))
    if kind == "legacy":
        function = draw(st.sampled_from([total, pair]))
        return (function, *inputs, draw(st.sampled_from([0, SMALL, SHARED])))
    function = draw(st.sampled_from([array, text]))
    return Task(key, function, *map(TaskRef, inputs), draw(st.integers(0, 9)), size=size)


def same(left: Any, right: Any) -> bool:
    """Equal in type and value, at any depth."""
    if type(left) is not type(right):
        return False
    if isinstance(left, np.ndarray):
        return left.dtype == right.dtype and np.array_equal(left, right)
    if isinstance(left, (list, tuple)):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(v, right[k]) for k, v in left.items())
    return bool(left == right)
