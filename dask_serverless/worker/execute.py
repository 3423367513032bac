"""Runs the steps of one bundle in a tight loop; no events, no I/O, no store in here."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Collection, Mapping, MutableMapping, Sequence
from itertools import islice
from time import perf_counter
from types import BuiltinFunctionType
from typing import Any

from dask_serverless.worker.bundle import Step
from dask_serverless.worker.forked import end_forked

# Told of each task when it is done: its steps, start, end, and all values that are still there.
# Whoever says False is told of no more.
Watch = Callable[[Sequence[Step], float, float, Mapping[int, Any]], bool]

NO_COROUTINES = {type, BuiltinFunctionType}  # classes, and what is written in C: no need to look


class StepFailed(Exception):
    """A task raised; the cause is its exception."""

    def __init__(self, task: int, function: int) -> None:
        super().__init__(task, function)
        self.task = task
        self.function = function
        self.tries: Sequence[str] = ()  # how each attempt ended, where there were several


def last_uses(program: Sequence[Step], keep: Collection[int]) -> list[tuple[int, ...]]:
    """For each step the names that nothing needs after it: dropped at once, they free memory."""
    seen = set(keep)
    drops: list[tuple[int, ...]] = []
    for out, _, arguments, _ in reversed(program):
        free = []
        for name in arguments:
            if name not in seen:
                seen.add(name)
                free.append(name)
        if out not in seen:  # nobody takes it: run for its effects
            free.append(out)
        drops.append(tuple(free))
    drops.reverse()
    return drops


def together(watches: Sequence[Watch]) -> Watch | None:
    """One that tells all of them."""
    if len(watches) < 2:
        return watches[0] if watches else None

    def tell(task: Sequence[Step], start: float, end: float, values: Mapping[int, Any]) -> bool:
        return any([watch(task, start, end, values) for watch in watches])

    return tell


def run(
    program: Sequence[Step],
    functions: Sequence[Callable[..., Any]],
    values: MutableMapping[int, Any],
    keep: Collection[int],
    watch: Watch | None = None,
    looks: Sequence[int] = (),
) -> None:
    """Run a bundle's steps; ``values`` comes with inputs and constants, and goes with ``keep``.

    A watch that has had enough is told again of the tasks that begin at one of ``looks``, in order.
    """
    # an interrupt may come before the first step
    out, function = program[0][:2] if program else (-1, -1)
    task: list[Step] = []  # the steps of a task that is watched
    begun = 0.0
    steps = zip(program, last_uses(program, keep), strict=True)
    begin = 0
    process = os.getpid()
    try:
        for end in (*looks, len(program)):
            listening = watch
            for step, drop in islice(steps, end - begin):
                out, function, arguments, keywords = step
                if listening is not None and not task:
                    begun = perf_counter()
                if keywords is None:
                    values[out] = functions[function](*[values[name] for name in arguments])
                else:
                    values[out] = call(
                        functions[function], [values[n] for n in arguments], keywords
                    )
                if listening is not None:
                    task.append(step)
                    if out >= 0:  # a task's last step bears its name
                        if not listening(task, begun, perf_counter(), values):
                            listening = None
                        task = []
                for name in drop:
                    del values[name]
            begin = end
    except BaseException as error:
        if os.getpid() != process:
            end_forked(error)
        raise StepFailed(owner(program, out), function) from error
    if os.getpid() != process:
        end_forked()


def call(function: Callable[..., Any], values: list[Any], keywords: Sequence[str]) -> Any:
    split = len(values) - len(keywords)
    return function(*values[:split], **dict(zip(keywords, values[split:], strict=True)))


def owner(program: Sequence[Step], out: int) -> int:
    """The task to which a step belongs: the next named one from it on."""
    names = [step[0] for step in program]
    return next((name for name in names[names.index(out) :] if name >= 0), names[-1])


def prepared(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as the loop can call it: a coroutine function runs to its end."""
    if type(function) in NO_COROUTINES or not inspect.iscoroutinefunction(function):
        return function

    @functools.wraps(function)
    def complete(*args: Any, **kwargs: Any) -> Any:
        import asyncio  # slow, and few need it

        return asyncio.run(function(*args, **kwargs))

    return complete
