"""The limit: Dask's own materialisation, then the tasks in a bare loop on every container."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter
from time import perf_counter
from typing import Any

import dask
from dask._task_spec import DataNode, GraphNode, convert_legacy_graph
from dask.core import flatten

Nodes = Mapping[Any, GraphNode]


@dataclass(frozen=True)
class Step:
    """One task of the loop, and the values that nobody needs after it."""

    key: Any
    node: GraphNode
    inputs: tuple[Any, ...]
    release: tuple[Any, ...]


def steps_of(nodes: Nodes, wanted: set[Any]) -> list[Step]:
    """The tasks in topological order; each value is released by its last user."""
    order = list(TopologicalSorter({key: nodes[key].dependencies for key in nodes}).static_order())
    last_user: dict[Any, Any] = {}
    for key in order:
        last_user.update(dict.fromkeys(nodes[key].dependencies, key))
    release: dict[Any, list[Any]] = {}
    for value, user in last_user.items():
        if value not in wanted:
            release.setdefault(user, []).append(value)
    return [
        Step(key, nodes[key], tuple(nodes[key].dependencies), tuple(release.get(key, ())))
        for key in order
    ]


def run_bare(steps: list[Step]) -> dict[Any, Any]:
    """Nothing but the calls."""
    values: dict[Any, Any] = {}
    for step in steps:
        values[step.key] = step.node({key: values[key] for key in step.inputs})
        for key in step.release:
            del values[key]
    return values


@dataclass
class BareLoop:
    """A scheduler for ``dask.compute`` that notes how long its loop took.

    What is left of the whole is Dask's own: optimising and materialising, also of the computes
    that Dask starts while it optimises (``set_index`` does).
    """

    tasks: int = 0
    loop: float = 0.0
    aside: float = 0.0  # sorting the tasks, which is no part of the limit

    def __call__(self, graph: Any, keys: Any, **_: Any) -> Any:
        nodes = convert_legacy_graph(
            graph if isinstance(graph, Mapping) else graph.__dask_graph__()
        )
        start = perf_counter()
        wanted = set(flatten([keys]))
        steps = steps_of(nodes, wanted)
        sorted_at = perf_counter()
        values = run_bare(steps)
        self.loop += perf_counter() - sorted_at
        self.aside += sorted_at - start
        self.tasks += sum(not isinstance(node, DataNode) for node in nodes.values())
        return nested(keys, values)


def nested(keys: Any, values: Mapping[Any, Any]) -> Any:
    """The values in the nesting that the keys have."""
    return [nested(key, values) for key in keys] if isinstance(keys, list) else values[keys]


@dataclass(frozen=True)
class Limit:
    """Where the least possible time goes."""

    materialise: float
    loop: float
    tasks: int

    def seconds(self, containers: int) -> float:
        return self.materialise + self.loop / containers


def measure_limit(collection: Any) -> tuple[Any, Limit]:
    """The result, and how fast it could have been had."""
    bare = BareLoop()
    with dask.config.set(scheduler=bare):
        start = perf_counter()
        result = dask.compute(collection, scheduler=bare)[0]
        whole = perf_counter() - start
    return result, Limit(whole - bare.loop - bare.aside, bare.loop, bare.tasks)
