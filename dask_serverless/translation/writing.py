"""Writes plain calls into a program: a function, and names for all of its arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dask_serverless.translation.astray import cycle
from dask_serverless.translation.program import OPEN, Program

Writer = Callable[[Any, Any, list[int]], int | None]


def call_writer(program: Program) -> Writer:
    """Called with a key, a function and names; the task's id, or None where it is no plain call."""
    names, steps, lists = program.names, program.steps, program.lists
    columns, index_of = program.columns, program.function_names.get
    labels, functions, constants_of = columns.labels, columns.functions, columns.constants_of
    inputs, take, offsets = columns.inputs, columns.inputs.extend, columns.offsets

    def write(key: Any, func: Any, arguments: list[int]) -> int | None:
        index = index_of(id(func))
        if index is None:
            index = program.function(func)
        if index < 0:
            return None
        used = arguments
        task = len(labels)
        if arguments and (least := min(arguments)) < 0:
            if least == OPEN:
                raise cycle(key)
            taken = program.make_lists(arguments) if lists else arguments
            used = [name for name in taken if name >= 0]
            constants_of[task] = [name for name in taken if name < 0] if used else taken
        steps.append((task, index, tuple(arguments), None))
        # As columns.add does, which would be another call for each task.
        if used:
            take(used if len(used) == 1 else dict.fromkeys(used))
        offsets.append(len(inputs))
        functions.append(index)
        labels.append(key)
        names[key] = task
        return task

    return write
