"""Reads the arguments of a task: their names, up to the first that has none yet."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from dask._task_spec import GraphNode, TaskRef

from dask_serverless.translation.astray import cycle, missing
from dask_serverless.translation.legacy import KEYS, are_keys, is_constant
from dask_serverless.translation.program import OPEN, SIMPLE, Program

READ, NESTED = object(), object()

# Goes on with some values and notes their names. It answers READ when none is left, NESTED when
# there is more than keys and constants, else the key that needs a name before it can go on (of a
# tuple's values, what may be one), or a list of keys.
Reader = Callable[[Iterator[Any], list[Any]], Any]


def object_reader(program: Program) -> Reader:
    """For the arguments of Dask's task objects."""
    name_of, constant_of = program.names.get, program.constant_names.get
    new_constant = program.new_constant

    def read(values: Iterator[Any], names: list[Any]) -> Any:
        for value in values:
            kind = type(value)
            if kind is TaskRef:
                name = name_of(value.key)
                if name is None:
                    return value.key
            elif kind in SIMPLE or not isinstance(value, GraphNode):
                name = constant_of(id(value)) or new_constant(value)
            else:
                return NESTED
            names.append(name)
        return READ

    return read


def tuple_reader(graph: Mapping[Any, Any], program: Program) -> Reader:
    """For the rest of a tuple that is a call. Names are looked at first: only keys have one."""
    name_of, constant_of, constant = program.names.get, program.constant_names.get, program.constant

    def read(values: Iterator[Any], names: list[Any]) -> Any:
        for value in values:
            kind = type(value)
            name = None
            if kind in KEYS:
                name = name_of(value)
                if name is None:
                    if value in graph:
                        return value
                    name = constant_of(id(value)) or constant(value)
            elif kind is tuple:
                if value and callable(value[0]):
                    return NESTED
                try:
                    name = name_of(value)
                    if name is None:
                        return value
                except TypeError:
                    pass  # it does not hash, so it is no key
            elif kind is TaskRef:
                name = name_of(value.key)
                if name is None:
                    if value.key not in graph:
                        raise missing(value.key)
                    return value.key
            elif kind is list and are_keys(value, graph):
                return value
            if name is None:
                if not is_constant(value, graph):
                    return NESTED
                name = constant(value)
            names.append(name)
        return READ

    return read


def key_reader(program: Program) -> Reader:
    """For keys."""
    name_of = program.names.get

    def read(values: Iterator[Any], names: list[Any]) -> Any:
        for key in values:
            name = name_of(key)
            if name is None:
                return key
            if name == OPEN:
                raise cycle(key)
            names.append(name)
        return READ

    return read
