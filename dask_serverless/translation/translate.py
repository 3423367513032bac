"""Translation: whatever Dask hands over becomes a Dag, steps to run, constants and functions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import Any

from dask._task_spec import Alias, GraphNode

from dask_serverless.translation.astray import cycle, missing
from dask_serverless.translation.legacy import as_node, is_call
from dask_serverless.translation.p2p import p2p_shuffles
from dask_serverless.translation.program import Program
from dask_serverless.translation.recipes import GATHERING, Recipe, flat, only_gathers
from dask_serverless.translation.substitute import disk_shuffles
from dask_serverless.translation.walk import walk
from dask_serverless.worker.bundle import Step
from dask_serverless.worker.names import qualified_name
from planners.graph.dag import Dag


@dataclass
class Translation:
    """One graph, ready to be planned and encoded."""

    graph: Mapping[Any, Any]  # materialised, for Dask's callbacks
    dag: Dag
    steps: list[Step]  # all of them; a task's last one bears its name
    first_steps: list[int] | None  # task → where its steps begin, and where the last one's end;
    # None: each task has just one
    constants: dict[int, Any]
    constants_of: dict[int, Sequence[int]]  # task → the constants it uses, if any
    functions: list[Callable[..., Any]]
    keys: Any  # as asked for: a key, or lists of keys nested at any depth
    recipes: dict[Any, Recipe]  # key → how the client comes by its value
    retries: Mapping[int, int] = field(default_factory=dict)  # how often each task may be tried
    # again; under -1: all others


def translate(graph: Mapping[Any, Any], keys: Any) -> Translation:
    """Translate a materialised graph as far as the keys need it."""
    return _Translator(p2p_shuffles(disk_shuffles(graph))).translate(keys)


def materialise(graph: Any) -> Mapping[Any, Any]:
    """What ``dask.compute`` passes (an expression, a HighLevelGraph or a dict) as a dict.

    In a copy of the context, since Dask's own code runs here: while it makes a token, it notes in
    the context how repeatable that has to be. Where Ctrl-C comes just then, the note would stay,
    and objects that have no repeatable token (open files) could not be computed with any more.
    """
    return copy_context().run(_as_dict, graph)


def _as_dict(graph: Any) -> Mapping[Any, Any]:
    """Once: some layers make new keys each time they are asked."""
    if hasattr(graph, "__dask_graph__"):
        graph = graph.__dask_graph__()
    if hasattr(graph, "to_dict"):
        graph = graph.to_dict()
    return graph


MOST_GATHERED = 50  # sinks upon sinks, for the sake of Python's stack; others become tasks


class _Translator:
    def __init__(self, graph: Mapping[Any, Any]) -> None:
        self.graph = graph
        self.program = Program()
        self.recipes: dict[Any, Recipe] = {}

    def translate(self, keys: Any) -> Translation:
        program = self.program
        recipes = {key: self.recipe(key, ()) for key in flat(keys)}
        tasks = {recipe.task for recipe in self.recipes.values() if recipe.task >= 0}
        return Translation(
            graph=self.graph,
            dag=program.columns.dag(program.functions, tasks),
            steps=program.steps,
            first_steps=program.columns.first_steps(program.steps),
            constants=program.constants,
            constants_of=program.columns.constants_of,
            functions=program.functions,
            keys=keys,
            recipes=recipes,
        )

    def recipe(self, key: Any, above: Iterable[Any]) -> Recipe:
        """How to come by a key's value; ``above`` are the keys that need it."""
        if key not in self.recipes:
            path = {*above, key}
            self.recipes[key] = self.new_recipe(key, path)
        return self.recipes[key]

    def new_recipe(self, key: Any, path: set[Any]) -> Recipe:
        node = self.sink(key)
        while isinstance(node, Alias) and node.target in self.graph:
            key = node.target
            if key in path:
                raise cycle(key)
            path.add(key)
            node = self.sink(key)
        if (
            node is not None
            and only_gathers(node)
            and key not in self.program.names
            and len(path) < MOST_GATHERED
        ):
            if found := path.intersection(node.dependencies):
                raise cycle(found.pop())
            return Recipe(gather=node, parts={k: self.recipe(k, path) for k in node.dependencies})
        walk(key, self.graph, self.program)
        name = self.program.names[key]
        return Recipe(task=name) if name >= 0 else Recipe(value=self.program.constants[name])

    def sink(self, key: Any) -> GraphNode | None:
        """The node of a key that was asked for; None for a tuple that is a task in any case."""
        try:
            node = self.graph[key]
        except (KeyError, TypeError):
            raise missing(key) from None
        if is_call(node) and qualified_name(node[0]) not in GATHERING:
            return None
        return as_node(key, node, self.graph)
