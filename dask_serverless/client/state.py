"""The state that Dask's callbacks are shown, kept in the form of Dask's own schedulers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from dask._task_spec import Alias, GraphNode
from dask.core import get_dependencies

if TYPE_CHECKING:
    from dask_serverless.translation.translate import Translation


class Dependencies(Mapping[Any, set[Any]]):
    """Key → the keys that its task takes, found out when somebody asks."""

    def __init__(self, graph: Mapping[Any, Any]) -> None:
        self.graph = graph

    def __getitem__(self, key: Any) -> set[Any]:
        node = self.graph[key]
        if isinstance(node, GraphNode):
            return set(node.dependencies)
        return set(get_dependencies(self.graph, key))

    def __iter__(self) -> Iterator[Any]:
        return iter(self.graph)

    def __len__(self) -> int:
        return len(self.graph)


class Dependents(Dependencies):
    """Key → the keys whose tasks take it."""

    @cached_property
    def turned(self) -> dict[Any, set[Any]]:
        turned: dict[Any, set[Any]] = {key: set() for key in self.graph}
        for key in self.graph:
            for dependency in super().__getitem__(key):
                turned.setdefault(dependency, set()).add(key)
        return turned

    def __getitem__(self, key: Any) -> set[Any]:
        return self.turned[key]


class State:
    """Moves tasks from waiting to finished, and values out of the cache once nobody needs them."""

    def __init__(self, graph: Mapping[Any, Any], translation: Translation) -> None:
        dag = translation.dag
        self.graph, self.translated = graph, translation.graph
        self.dag = dag
        self.labels = dag.labels
        self.uses = dag.user_counts.tolist()
        self.shown: dict[str, Any] = {
            "waiting": dict.fromkeys(dag.labels), "ready": [], "running": set(),
            "finished": set(), "released": set(), "cache": {},
            "dependencies": Dependencies(graph), "dependents": Dependents(graph),
            "waiting_data": {},
        }  # fmt: skip

    def concerns(self, key: Any) -> bool:
        """Whether it is a task of the caller's, as the caller made it. Parts of one, and what a
        shuffle was replaced by, have values that would be wrong under a key of the caller's.
        """
        node = self.graph.get(key)
        return node is not None and node is self.translated.get(key)

    @cached_property
    def aliases_of(self) -> dict[Any, list[Any]]:
        found: dict[Any, list[Any]] = {}
        for key, node in self.graph.items():
            if isinstance(node, Alias) and self.concerns(key):
                found.setdefault(node.target, []).append(key)
        return found

    def aliases(self, key: Any) -> Iterator[Any]:
        """Other names of what the key names, and their other names; no container hears of these."""
        for alias in self.aliases_of.get(key, ()):
            yield alias
            yield from self.aliases(alias)

    def begun(self, key: Any) -> None:
        self.shown["waiting"].pop(key, None)
        self.shown["running"].add(key)

    def ended(self, key: Any) -> None:
        self.shown["running"].discard(key)
        self.shown["finished"].add(key)

    def done(self, task: int, value: Any) -> None:
        key = self.labels[task]
        self.ended(key)
        if self.uses[task]:
            self.shown["cache"][key] = value
        first, last = self.dag.input_offsets[task : task + 2]
        for taken in self.dag.inputs[first:last].tolist():
            self.uses[taken] -= 1
            if not self.uses[taken]:
                self.shown["released"].add(self.labels[taken])
                self.shown["cache"].pop(self.labels[taken], None)
