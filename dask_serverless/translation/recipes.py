"""Recipes: how the client makes the values asked for from what containers put out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dask._task_spec import GraphNode, NestedContainer

from dask_serverless.worker.names import qualified_name

# Sinks that only put parts together: they run on the client, so no container holds the whole result.
GATHERING = {
    ("dask.array.core", "finalize"),
    ("dask.bag.core", "finalize"),
    ("dask.bag.core", "finalize_item"),
    ("dask.dataframe.core", "_concat"),
    ("dask.dataframe.dask_expr._concat", "_concat"),
    ("dask.dataframe.dask_expr._expr", "_concat"),
}


def only_gathers(node: GraphNode) -> bool:
    if isinstance(node, NestedContainer):
        return True
    return qualified_name(getattr(node, "func", None)) in GATHERING


def flat(keys: Any) -> Iterable[Any]:
    """The keys in (nested lists of) keys."""
    if isinstance(keys, (list, set)):
        for key in keys:
            yield from flat(key)
    else:
        yield keys


@dataclass(frozen=True)
class Recipe:
    """How the client makes a requested value: from a task's output, a constant, or by gathering."""

    task: int = -1
    value: Any = None
    gather: GraphNode | None = None
    parts: Mapping[Any, Recipe] = field(default_factory=dict)

    def make(self, outputs: Mapping[int, Any], made: dict[int, Any]) -> Any:
        """The value; ``made`` has those of gathering recipes by identity, for what they share."""
        if self.gather is None:
            return outputs[self.task] if self.task >= 0 else self.value
        if id(self) not in made:
            parts = {key: part.make(outputs, made) for key, part in self.parts.items()}
            made[id(self)] = self.gather(parts)
        return made[id(self)]


def nested(
    keys: Any,
    recipes: dict[Any, Recipe],
    outputs: dict[int, Any],
    made: dict[int, Any] | None = None,
) -> Any:
    """Values in the order and nesting in which the keys were asked for."""
    made = {} if made is None else made
    if isinstance(keys, list):
        return tuple([nested(key, recipes, outputs, made) for key in keys])
    return recipes[keys].make(outputs, made)
