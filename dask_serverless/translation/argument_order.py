"""In which order a node's inputs are made: that in which its arguments name them."""

from __future__ import annotations

from typing import Any

from dask._task_spec import Alias, GraphNode, Task, TaskRef


def in_argument_order(node: GraphNode, missing: list[Any]) -> list[Any]:
    """Dependencies in the order in which the arguments name them.

    A frozenset's order would differ from process to process, and scatter neighbours.
    """
    order: dict[Any, None] = {}
    _collect_references(node, order)
    wanted = set(missing)
    found = [key for key in order if key in wanted]
    found += [key for key in missing if key not in order]
    return found


def _collect_references(node: Any, order: dict[Any, None]) -> None:
    if isinstance(node, TaskRef):
        order[node.key] = None
    elif isinstance(node, Task):
        for value in node.args:
            if type(value) is TaskRef:
                order[value.key] = None
            elif isinstance(value, GraphNode):
                _collect_references(value, order)
        for value in node.kwargs.values():
            _collect_references(value, order)
    elif isinstance(node, Alias):
        order[node.target] = None
