"""Tasks written as tuples, read without making Dask's task objects of them.

``(add, "x", 1)`` is what most hand-written graphs and many of Dask's layers hold. What
``convert_legacy_task`` makes of one takes longer than all the rest of its translation, so the common
ones are read here: arguments that are keys, constants, or lists of keys. Whatever is nested deeper
is left to Dask, and so is each question of what else might be a key.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from types import FunctionType
from typing import Any, TypeGuard

import numpy as np
from dask._task_spec import DataNode, GraphNode, convert_legacy_task

# What may be a key, by exact type. Dask looks up subclasses as well; those go the long way.
KEYS = {str, int, float, bool}
if isinstance(convert_legacy_task(None, b"", {b""}), GraphNode):
    KEYS.add(bytes)  # Dask of 2025.1
# What holds no part of a graph, by exact type.
PLAIN = {type(None), slice, type(Ellipsis), np.ndarray, np.dtype, FunctionType, partial}


def is_call(node: Any) -> TypeGuard[tuple[Any, ...]]:
    """Whether a node of a graph is a call written as a tuple."""
    return type(node) is tuple and bool(node) and callable(node[0])


def as_node(key: Any, node: Any, graph: Mapping[Any, Any]) -> GraphNode:
    """What Dask makes of a value in a graph."""
    kind = type(node)
    if kind in PLAIN or (kind in KEYS and node not in graph):
        return DataNode(key, node)
    if not isinstance(node, GraphNode):
        node = convert_legacy_task(key, node, graph)
        if not isinstance(node, GraphNode):
            node = DataNode(key, node)
    return node


def are_keys(values: list[Any], graph: Mapping[Any, Any]) -> bool:
    """Whether these are keys, one or more, and nothing else."""
    for value in values:
        kind = type(value)
        if kind not in KEYS and (kind is not tuple or (value and callable(value[0]))):
            return False
        try:
            if value not in graph:
                return False
        except TypeError:
            return False
    return bool(values)


def is_constant(value: Any, graph: Mapping[Any, Any]) -> bool:
    """Whether an argument that is no key surely holds no part of the graph."""
    if type(value) in PLAIN:
        return True
    if isinstance(value, dict):
        return False
    return not isinstance(convert_legacy_task(None, value, graph), GraphNode)
