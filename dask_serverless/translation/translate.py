"""Translation: whatever Dask hands over becomes a Dag, steps to run, constants and functions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from dask._task_spec import (
    Alias,
    DataNode,
    GraphNode,
    NestedContainer,
    Task,
    TaskRef,
    convert_legacy_task,
)

from dask_serverless.blobs.pickling import identity
from dask_serverless.translation.astray import cycle, missing
from dask_serverless.translation.legacy import is_call, read
from dask_serverless.translation.p2p import p2p_shuffles
from dask_serverless.translation.recipes import GATHERING, Recipe, flat, only_gathers
from dask_serverless.translation.substitute import (
    disk_shuffles,
    refuse,
    special_functions,
)
from dask_serverless.worker.bundle import Step
from dask_serverless.worker.makers import MAKERS, make_list
from dask_serverless.worker.names import function_name, qualified_name
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


def translate(graph: Mapping[Any, Any], keys: Any) -> Translation:
    """Translate a materialised graph as far as the keys need it."""
    return _Translator(p2p_shuffles(disk_shuffles(graph))).translate(keys)


def materialise(graph: Any) -> Mapping[Any, Any]:
    """What ``dask.compute`` passes (an expression, a HighLevelGraph or a dict) as a dict.

    Once: some layers make new keys each time they are asked.
    """
    if hasattr(graph, "__dask_graph__"):
        graph = graph.__dask_graph__()
    if hasattr(graph, "to_dict"):
        graph = graph.to_dict()
    return graph


SIMPLE = {int, float, bool, str, bytes, type(None)}  # surely no part of a graph
Opened = dict[Any, GraphNode | None]  # keys whose inputs come first → what Dask made of a tuple
MOST_GATHERED = 50  # sinks upon sinks, for the sake of Python's stack; others become tasks


class _Translator:
    """Walks the graph depth first from the requested keys, so ids are topological and local."""

    def __init__(self, graph: Mapping[Any, Any]) -> None:
        self.graph = graph
        self.names: dict[Any, int] = {}  # key → the name of its value
        self.steps: list[Step] = []
        self.labels: list[Any] = []
        self.task_functions: list[int] = []
        self.inputs: list[int] = []
        self.offsets: list[int] = [0]
        self.constants: dict[int, Any] = {}
        self.constants_of: dict[int, Sequence[int]] = {}
        self.constant_names: dict[int, int] = {}  # id(object) → name; the object stays alive above
        self.functions: list[Callable[..., Any]] = []
        self.function_names: dict[int, int] = {}  # id(function) → index
        self.next_name = -1
        self.recipes: dict[Any, Recipe] = {}
        self.special = special_functions()
        self.kinds: dict[int, str] = {}  # id(function) → what is special about its tasks

    def translate(self, keys: Any) -> Translation:
        wanted = list(flat(keys))
        recipes = {key: self.recipe(key, ()) for key in wanted}
        tasks = {recipe.task for recipe in self.recipes.values() if recipe.task >= 0}
        return Translation(
            graph=self.graph,
            dag=self.dag(tasks),
            steps=self.steps,
            first_steps=first_steps(self.steps) if len(self.steps) > len(self.labels) else None,
            constants=self.constants,
            constants_of=self.constants_of,
            functions=self.functions,
            keys=keys,
            recipes=recipes,
        )

    def dag(self, wanted: set[int]) -> Dag:
        mask = np.zeros(len(self.labels), dtype=np.bool_)
        mask[list(wanted)] = True
        return Dag(
            input_offsets=np.array(self.offsets, dtype=np.int64),
            inputs=np.array(self.inputs, dtype=np.int32),
            functions=np.array(self.task_functions, dtype=np.int32),
            constant_bytes=np.zeros(len(self.labels), dtype=np.int64),
            wanted=mask,
            function_names=tuple(map(function_name, self.functions)),
            labels=self.labels,
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
            and key not in self.names
            and len(path) < MOST_GATHERED
        ):
            if found := path.intersection(node.dependencies):
                raise cycle(found.pop())
            return Recipe(gather=node, parts={k: self.recipe(k, path) for k in node.dependencies})
        self.walk(key)
        name = self.names[key]
        return Recipe(task=name) if name >= 0 else Recipe(value=self.constants[name])

    def sink(self, key: Any) -> GraphNode | None:
        """The node of a key that was asked for; None for a tuple that is a task in any case."""
        try:
            node = self.graph.get(key)
        except TypeError:
            raise missing(key) from None
        if is_call(node) and qualified_name(node[0]) not in GATHERING:
            return None
        return self.node(key)

    def node(self, key: Any) -> GraphNode:
        try:
            node = self.graph[key]
        except (KeyError, TypeError):
            raise missing(key) from None
        if not isinstance(node, GraphNode):
            node = convert_legacy_task(key, node, self.graph)
            if not isinstance(node, GraphNode):
                node = DataNode(key, node)
        return node

    def walk(self, key: Any) -> None:
        """Emit everything below ``key``, inputs first, in the order in which arguments name them.

        The common task, whose arguments are plain references and constants, is dealt with right
        here: this loop is most of what a task costs at the client.
        """
        names, graph, steps, labels = self.names, self.graph, self.steps, self.labels
        function_of, name_of = self.function_names.get, names.get
        constant_of, constants_of = self.constant_names, self.constants_of
        inputs, offsets, functions = self.inputs, self.offsets, self.task_functions
        stack: list[Any] = [key]
        opened: Opened = {}
        while stack:
            key = stack[-1]
            if key in names:
                stack.pop()
                continue
            node = graph.get(key)
            if type(node) is tuple and node and callable(node[0]):  # as is_call
                self.call(key, node, stack, opened)
                continue
            if type(node) is not Task or node.kwargs:
                self.visit(key, node, stack, opened)
                continue
            arguments, used, missing, constants = [], [], [], []
            for value in node.args:
                kind = type(value)
                if kind is TaskRef:
                    name = name_of(value.key)
                    if name is None:
                        missing.append(value.key)
                        continue
                    if name >= 0:
                        used.append(name)
                elif kind in SIMPLE or not isinstance(value, (GraphNode, TaskRef)):
                    name = constant_of.get(id(value)) or self.constant(value)
                else:
                    break
                if name < 0:
                    constants.append(name)
                arguments.append(name)
            else:
                if missing:
                    self.open(key, None, missing, stack, opened)
                    continue
                func = node.func
                index = function_of(id(func))
                if index is None:
                    index = self.function(func)
                if index >= 0:
                    stack.pop()
                    task = len(labels)
                    steps.append((task, index, tuple(arguments), None))
                    if constants:
                        constants_of[task] = constants
                    if used:
                        inputs += used if len(used) == 1 else dict.fromkeys(used)
                    offsets.append(len(inputs))
                    functions.append(index)
                    labels.append(key)
                    names[key] = task
                    continue
            self.visit(key, node, stack, opened)

    def call(self, key: Any, call: Any, stack: list[Any], opened: Opened) -> None:
        """The same for a task written as a tuple."""
        found = read(call, self.graph, self.names.get, self.constant)
        if found is None:
            self.visit(key, call, stack, opened)
            return
        arguments, missing = found
        if missing:
            self.open(key, None, missing, stack, opened)
            return
        index = self.function_names.get(id(call[0]))
        if index is None:
            index = -1 if isinstance(call[0], GraphNode) else self.function(call[0])
        if index < 0:
            self.visit(key, call, stack, opened)
            return
        stack.pop()
        names = arguments
        if list in map(type, arguments):
            arguments, names = self.lists(arguments)
        task = len(self.labels)
        self.steps.append((task, index, tuple(arguments), None))
        if used := [name for name in names if name >= 0]:
            self.inputs += used if len(used) == 1 else dict.fromkeys(used)
        if len(used) < len(names):
            self.constants_of[task] = [name for name in names if name < 0]
        self.offsets.append(len(self.inputs))
        self.task_functions.append(index)
        self.labels.append(key)
        self.names[key] = task

    def lists(self, arguments: list[Any]) -> tuple[list[int], list[int]]:
        """Make lists among the arguments by steps; the arguments, and all that the steps use."""
        index = self.plain_function(make_list)
        made: list[int] = []
        names: list[int] = []
        for argument in arguments:
            if type(argument) is list:
                out = self.new_name()
                self.steps.append((out, index, tuple(argument), None))
                names += argument
                argument = out
            else:
                names.append(argument)
            made.append(argument)
        return made, names

    def open(
        self, key: Any, node: GraphNode | None, missing: list[Any], stack: list[Any], opened: Opened
    ) -> None:
        """Put a node's inputs before it; a node that comes up twice lies on a cycle."""
        if key in opened:
            raise cycle(key)
        opened[key] = node
        missing.reverse()
        stack += missing

    def visit(self, key: Any, node: Any, stack: list[Any], opened: Opened) -> None:
        """The same for any kind of node."""
        if not isinstance(node, GraphNode):
            node = opened.get(key)
            if node is None:
                node = self.node(key)
        missing = [d for d in node.dependencies if d not in self.names]
        if missing:
            self.open(key, node, in_argument_order(node, missing), stack, opened)
            return
        opened.pop(key, None)
        stack.pop()
        if isinstance(node, Alias):
            self.names[key] = self.names[node.target]
        elif isinstance(node, DataNode):
            self.names[key] = self.constant(node.value)
        else:
            self.emit(key, node)

    def emit(self, key: Any, node: Task) -> None:
        task, begin = len(self.labels), len(self.steps)
        self.steps_of(node, task, self.names, self.steps)
        used = [name for step in self.steps[begin:] for name in step[2]]
        constants = self.constants
        if found := [name for name in used if name in constants]:
            self.constants_of[task] = found
        self.inputs += dict.fromkeys([name for name in used if name >= 0])
        self.offsets.append(len(self.inputs))
        self.task_functions.append(self.steps[-1][1])
        self.labels.append(key)
        self.names[key] = task

    def steps_of(self, node: Task, out: int, names: Mapping[Any, int], steps: list[Step]) -> None:
        """Append the steps that make ``node``'s value under the name ``out``."""
        func: Callable[..., Any] = node.func
        kwargs = node.kwargs
        args = node.args
        if isinstance(node, NestedContainer):
            func, kwargs = MAKERS[node.klass], {}
        kind = self.kind(func)
        if kind == "subgraph":
            return self.subgraph(node, out, names, steps)
        arguments = [self.argument(value, names, steps) for value in args]
        if kind:
            values = [self.constants.get(name) for name in arguments]
            refuse(kind, node.key, values)
        if kwargs:
            arguments += [self.argument(value, names, steps) for value in kwargs.values()]
        step = (out, self.plain_function(func), tuple(arguments), tuple(kwargs) or None)
        steps.append(step)
        return None

    def argument(self, value: Any, names: Mapping[Any, int], steps: list[Step]) -> int:
        """The name of an argument's value; nested nodes become steps of their own."""
        kind = type(value)
        if kind is TaskRef:
            return names[value.key]
        if kind in SIMPLE:
            return self.constant(value)
        if isinstance(value, Alias):
            return names[value.target]
        if isinstance(value, DataNode):
            return self.constant(value.value)
        if isinstance(value, Task):
            out = self.new_name()
            self.steps_of(value, out, names, steps)
            return out
        return self.constant(value)

    def subgraph(self, node: Task, out: int, names: Mapping[Any, int], steps: list[Step]) -> None:
        """A fused task: its inner tasks become steps (Dask would order the graph at each call)."""
        inner, outkey, inkeys, *dependencies = node.args
        scope = {
            k: self.argument(v, names, steps) for k, v in zip(inkeys, dependencies, strict=False)
        }
        stack = [outkey]
        while stack:
            key = stack[-1]
            if key in scope:
                stack.pop()
                continue
            inner_node = inner[key]
            missing = [d for d in inner_node.dependencies if d not in scope]
            if missing:
                stack += missing
                continue
            stack.pop()
            if isinstance(inner_node, Alias):
                scope[key] = scope[inner_node.target]
            elif isinstance(inner_node, DataNode):
                scope[key] = self.constant(inner_node.value)
            else:
                scope[key] = out if key == outkey else self.new_name()
                self.steps_of(inner_node, scope[key], scope, steps)
        if scope[outkey] != out:  # the fused task only passes on a value
            steps.append((out, self.plain_function(identity), (scope[outkey],), None))

    def new_name(self) -> int:
        name = self.next_name
        self.next_name = name - 1
        return name

    def constant(self, value: Any) -> int:
        name = self.constant_names.get(id(value))
        if name is None:
            name = self.next_name
            self.next_name = name - 1
            self.constant_names[id(value)] = name
            self.constants[name] = value
        return name

    def function(self, func: Callable[..., Any]) -> int:
        """The function's index, or -1 if a task of it needs more than a plain call."""
        return -1 if self.kind(func) else self.plain_function(func)

    def kind(self, func: Callable[..., Any]) -> str:
        """What is special about the function's tasks; "" for most."""
        kind = self.kinds.get(id(func))
        if kind is None:
            kind = self.kinds[id(func)] = self.special.get(qualified_name(func), "")
        return kind

    def plain_function(self, func: Callable[..., Any]) -> int:
        index = self.function_names.get(id(func))
        if index is None:
            index = self.function_names[id(func)] = len(self.functions)
            self.functions.append(func)
        return index


def first_steps(steps: Iterable[Step]) -> list[int]:
    """Where each task's steps begin, and where the last one's end."""
    ends = [place for place, step in enumerate(steps, 1) if step[0] >= 0]
    return [0, *ends]


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
