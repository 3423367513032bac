"""Tasks written as tuples, read without making Dask's task objects of them.

``(add, "x", 1)`` is what most hand-written graphs and many of Dask's layers hold. What
``convert_legacy_task`` makes of one takes longer than all the rest of its translation, so the common
ones are read here: arguments that are keys, constants, or lists of keys. Whatever is nested deeper
is left to Dask, and so is each question of what else might be a key.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import FunctionType
from typing import Any, TypeGuard

import numpy as np
from dask._task_spec import GraphNode, TaskRef, convert_legacy_task

# What may be a key, by exact type. Dask looks up subclasses as well; those go the long way.
KEYS = {str, int, float, bool}
if isinstance(convert_legacy_task(None, b"", {b""}), GraphNode):
    KEYS.add(bytes)  # Dask of 2025.1
# What holds no part of a graph, by exact type.
PLAIN = {type(None), slice, type(Ellipsis), np.ndarray, np.dtype, FunctionType, partial}


def is_call(node: Any) -> TypeGuard[tuple[Any, ...]]:
    """Whether a node of a graph is a call written as a tuple."""
    return type(node) is tuple and bool(node) and callable(node[0])


def read(
    call: tuple[Any, ...],
    graph: Mapping[Any, Any],
    name_of: Callable[[Any], int | None],
    constant: Callable[[Any], int],
) -> tuple[list[Any], list[Any]] | None:
    """The names of a call's arguments, and the keys that have none yet; None: Dask must read it.

    A list of keys becomes a list of names. Names are looked at first: only keys have one.
    """
    arguments: list[Any] = []
    missing: list[Any] = []
    for value in call[1:]:
        kind = type(value)
        name: Any = None
        if kind in KEYS:
            name = name_of(value)
            if name is None:
                if value in graph:
                    missing.append(value)
                    continue
                name = constant(value)
        elif kind is tuple:
            if value and callable(value[0]):
                return None
            try:
                name = name_of(value)
                if name is None and value in graph:
                    missing.append(value)
                    continue
            except TypeError:
                pass  # it does not hash, so it is no key
        elif kind is TaskRef:
            name = name_of(value.key)
            if name is None:
                missing.append(value.key)
                continue
        elif kind is list:
            name = _names(value, graph, name_of, missing)
        if name is None:
            name = _constant(value, graph, constant)
        if name is None:
            return None
        arguments.append(name)
    return arguments, missing


def _names(
    values: list[Any],
    graph: Mapping[Any, Any],
    name_of: Callable[[Any], int | None],
    missing: list[Any],
) -> list[int] | None:
    """The names of keys in a list, some of which may be missing; None if it holds anything else."""
    names: list[int] = []
    absent: list[Any] = []
    for value in values:
        kind = type(value)
        if kind not in KEYS and (kind is not tuple or (value and callable(value[0]))):
            return None
        try:
            name = name_of(value)
            if name is None and value not in graph:
                return None
        except TypeError:
            return None
        if name is None:
            absent.append(value)
        else:
            names.append(name)
    missing += absent
    return names if values else None


def _constant(value: Any, graph: Mapping[Any, Any], constant: Callable[[Any], int]) -> int | None:
    """The name of a value that holds no part of the graph; None if it does, or may."""
    if type(value) in PLAIN:
        return constant(value)
    if isinstance(value, dict):
        return None
    converted = convert_legacy_task(None, value, graph)
    return None if isinstance(converted, GraphNode) else constant(converted)
