"""The walk: from a key to all that it needs, depth first, so that ids are topological and local."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dask._task_spec import GraphNode, Task

from dask_serverless.translation.argument_order import in_argument_order
from dask_serverless.translation.astray import missing
from dask_serverless.translation.legacy import as_node, is_constant
from dask_serverless.translation.program import OPEN, Program
from dask_serverless.translation.reading import (
    NESTED,
    READ,
    Reader,
    key_reader,
    object_reader,
    tuple_reader,
)
from dask_serverless.translation.writing import call_writer

ABSENT = object()

# What waits for an input: its key, its function or node (None for a list), the values that it has
# not read, the names of those that it has, and how it reads.
Frame = tuple[Any, Any, Iterator[Any], list[int], Reader]


def walk(key: Any, graph: Mapping[Any, Any], program: Program) -> None:
    """Write all that a key needs into the program, inputs first, as arguments name them.

    This loop is most of what a task costs at the client. In a large graph each look into a
    dictionary is a cache miss or two: there is one for each argument, and four for each key.
    """
    known, node_of, write = program.names, graph.get, call_writer(program)
    objects, tuples = object_reader(program), tuple_reader(graph, program)
    keys = key_reader(program)
    frames: list[Frame] = []
    if key in known:
        return
    node = node_of(key, ABSENT)
    while True:
        # Begin with a key
        names: list[int] = []
        waits = False  # whether its frame is on the stack
        kind = type(node)
        if kind is tuple and node and callable(node[0]):  # as is_call
            values, read = iter(node), tuples
            func = next(values)
        elif kind is Task and not node.kwargs:
            values, func, read = iter(node.args), node.func, objects
        else:
            func, read = as_node(key, node, graph), keys
            values = nameless(func, known)
        while True:
            # Read on, until an input has no name
            found = read(values, names)
            if found is READ:
                if read is not keys:
                    name = write(key, func, names)
                else:
                    name = program.new_list(names) if func is None else program.add(key, func)
                if name is not None:
                    if waits:
                        frames.pop()
                    if not frames:
                        return
                    key, func, values, names, read = frames[-1]
                    waits = True
                    names.append(name)
                    continue
                found = NESTED
            elif type(found) is list:
                if not waits:
                    frames.append((key, func, values, names, read))
                func, read, values, names, waits = None, keys, iter(found), [], False
                continue
            elif found is not NESTED:
                node = node_of(found, ABSENT)
                if node is not ABSENT:
                    if not waits:
                        frames.append((key, func, values, names, read))
                        known[key] = OPEN
                    key = found
                    break
                if read is not tuples:
                    raise missing(found)
                if is_constant(found, graph):
                    names.append(program.constant(found))
                    continue
            if waits:  # for what is read in another way from now on
                frames.pop()
                waits = False
            func, read = as_node(key, graph[key], graph), keys
            values = nameless(func, known)


def nameless(node: GraphNode, known: Mapping[Any, int]) -> Iterator[Any]:
    """The inputs of a node that are still to be made, or under way."""
    absent = [key for key in node.dependencies if known.get(key, OPEN) == OPEN]
    return iter(in_argument_order(node, absent) if absent else ())
