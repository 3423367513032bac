"""Repeatable: which tasks surely give the same when they run a second time somewhere else.

A task that draws random numbers gives one value to all who take its output, and would give each of
them another one if each ran a copy of it. So a copy is made only of what is known to depend on its
arguments alone: NumPy's and Dask's own functions on arrays, operators, and what the user has called
pure (``dask.delayed(f, pure=True)``, which shows in the key: it ends with a token of the arguments).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from dask_serverless.translation.translate import Translation
from dask_serverless.worker.names import qualified_name
from planners.graph.arrays import Flags

MODULES = ("numpy", "dask.array", "_operator", "operator", "dask_serverless.worker.makers")
# With state of their own, or the world's.
EXCEPT = (
    "numpy.random", "numpy.fromfile", "numpy.memmap", "numpy.load", "numpy.empty",
    "dask.array.core.store_chunk", "dask.array.core.load_store_chunk",
)  # fmt: skip
PLAIN = frozenset({int, float, bool, str, bytes, slice, type(None)})  # nearly all that graphs hold
PURE = re.compile(r".+-[0-9a-f]{32}")  # a key of delayed; those of collections are tuples


def repeatable(translation: Translation) -> Flags:
    """By task."""
    flags = all_known(translation)
    open_to_all = {name for name, value in translation.constants.items() if holds_function(value)}
    if open_to_all:
        for task, used in translation.constants_of.items():
            flags[task] &= open_to_all.isdisjoint(used)
    labels = translation.dag.labels
    for task in np.flatnonzero(~flags).tolist():
        flags[task] = called_pure(labels[task])
    return flags


def all_known(translation: Translation) -> Flags:
    """By task: whether each of its steps calls a function that depends on its arguments alone."""
    known = np.array([depends_on_arguments(f) for f in translation.functions], dtype=np.bool_)
    steps, first = translation.steps, translation.first_steps
    by_step = known[np.fromiter((step[1] for step in steps), np.intp, len(steps))]
    if first is None:
        return by_step
    return np.logical_and.reduceat(by_step, first[:-1])


def called_pure(label: Any) -> bool:
    return isinstance(label, str) and label[-33:-32] == "-" and PURE.fullmatch(label) is not None


def depends_on_arguments(function: Callable[..., Any]) -> bool:
    if isinstance(function, partial):
        given = [*function.args, *function.keywords.values()]
        return depends_on_arguments(function.func) and not holds_function(given)
    module, name = qualified_name(function)
    if not name:  # an object, whose class says nothing of what it calls: np.vectorize(f)
        return False
    full = f"numpy.{name}" if isinstance(function, np.ufunc) else f"{module}.{name}"
    return is_within(full, MODULES) and not is_within(full, EXCEPT)


def holds_function(value: Any, levels: int = 8) -> bool:
    """Whether a constant may call anything: a user's function for ``apply_along_axis``, say.

    Classes do not count: they are types of data, or of generators made from a seed beside them.
    """
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        others = [each for each in value if type(each) not in PLAIN]
        return bool(others) and (not levels or any(holds_function(e, levels - 1) for e in others))
    return callable(value) and not isinstance(value, type)


def is_within(name: str, packages: Sequence[str]) -> bool:
    return any(name == package or name.startswith(package + ".") for package in packages)
