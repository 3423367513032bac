"""The program that a translation writes: names, steps, constants and functions."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

from dask._task_spec import Alias, DataNode, GraphNode, NestedContainer, Task, TaskRef

from dask_serverless.blobs.pickling import identity
from dask_serverless.translation.columns import Columns
from dask_serverless.translation.substitute import refuse, special_functions
from dask_serverless.worker.bundle import Step
from dask_serverless.worker.makers import MAKERS, make_list
from dask_serverless.worker.names import qualified_name

OPEN = -sys.maxsize  # in the place of a name: the key's inputs are under way
SIMPLE = {int, float, bool, str, bytes, type(None)}  # surely no part of a graph


class Program:
    """Written task by task, each after its inputs. A name is a task's id, or negative."""

    def __init__(self) -> None:
        self.names: dict[Any, int] = {}  # key → the name of its value
        self.steps: list[Step] = []
        self.columns = Columns()
        self.constants: dict[int, Any] = {}
        self.lists: dict[int, list[int]] = {}  # of calls under way: name → the names in it
        self.constant_names: dict[int, int] = {}  # id(object) → name; the object stays alive above
        self.functions: list[Callable[..., Any]] = []
        self.function_names: dict[int, int] = {}  # id(function) → index
        self.next_name = -1
        self.special = special_functions()
        self.kinds: dict[int, str] = {}  # id(function) → what is special about its tasks

    def add(self, key: Any, node: GraphNode) -> int:
        """The name of any node's value, once its inputs have one."""
        if isinstance(node, Alias):
            name = self.names[node.target]
        elif isinstance(node, DataNode):
            name = self.constant(node.value)
        else:
            assert isinstance(node, Task)
            name = self.emit(key, node)
        self.names[key] = name
        return name

    def emit(self, key: Any, node: Task) -> int:
        columns = self.columns
        task, begin = len(columns.labels), len(self.steps)
        self.steps_of(node, task, self.names, self.steps)
        used = [name for step in self.steps[begin:] for name in step[2]]
        constants = self.constants
        if found := [name for name in used if name in constants]:
            columns.constants_of[task] = found
        inputs = dict.fromkeys([name for name in used if name >= 0])
        columns.add(key, self.steps[-1][1], inputs)
        return task

    def new_list(self, names: list[int]) -> int:
        """A name for a list, which is made by a step of the call that takes it."""
        name = self.new_name()
        self.lists[name] = names
        return name

    def make_lists(self, arguments: list[int]) -> list[int]:
        """Make those among the arguments of a call; all that it takes then."""
        taken: list[int] = []
        for name in arguments:
            names = self.lists.pop(name, None)
            if names is None:
                taken.append(name)
            else:
                self.steps.append((name, self.plain_function(make_list), tuple(names), None))
                taken += names
        return taken

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
        return self.constant_names.get(id(value)) or self.new_constant(value)

    def new_constant(self, value: Any) -> int:
        """The same, for whoever has looked whether it has a name."""
        name = self.next_name
        self.next_name = name - 1
        self.constant_names[id(value)] = name
        self.constants[name] = value
        return name

    def function(self, func: Callable[..., Any]) -> int:
        """The function's index, or -1 if a task of it needs more than a plain call."""
        if isinstance(func, GraphNode) or self.kind(func):
            return -1
        return self.plain_function(func)

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
