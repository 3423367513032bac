"""What callables are called in full, also those that have no name of their own."""

from __future__ import annotations

import functools
import types
from typing import Any

LONGEST_SHOWN = 60  # characters of what an operator's object was made with


def name_of(function: Any) -> str:
    """Module and qualified name; of objects that have none, those of what they call or are."""
    if is_partial(function):
        return name_of(function.func)
    if isinstance(function, types.MethodType):
        return name_of(function.__func__)
    if is_operator(function):  # says what it does: operator.itemgetter(0)
        return repr(function)[:LONGEST_SHOWN]
    name = getattr(function, "__qualname__", None)
    if name is None and type(function).__name__ == "ufunc":
        name = function.__name__
    if not isinstance(name, str):
        kind = type(function)
        return in_module(kind, kind.__qualname__) + method_shown(function)
    return in_module(function, name)


def in_module(function: Any, name: str) -> str:
    module = getattr(function, "__module__", None)
    return f"{module}.{name}" if isinstance(module, str) and module != "builtins" else name


def method_shown(function: Any) -> str:
    """What Dask's own methodcaller calls."""
    method = getattr(function, "method", None)
    return f"({method[:LONGEST_SHOWN]})" if isinstance(method, str) else ""


def is_partial(function: Any) -> bool:
    """functools.partial, and toolz' curry in Python or C."""
    if isinstance(function, functools.partial):
        return True
    kind = type(function)
    return kind.__name__ == "curry" and kind.__module__.partition(".")[0] in ("toolz", "cytoolz")


def is_operator(function: Any) -> bool:
    """itemgetter, attrgetter, methodcaller."""
    return type(function).__module__ in ("operator", "_operator")
