"""What functions are called: for people, and for programs that look for certain ones."""

from __future__ import annotations

from typing import Any


def function_name(function: Any) -> str:
    """A short name for people and for the history of measurements."""
    from dask.utils import funcname

    try:
        return str(funcname(function))
    except Exception:  # an object may answer anything when asked for its __name__
        return type(function).__name__


def qualified_name(function: Any) -> tuple[str, str]:
    """(module, name within it), with "" for what it does not say."""
    module = getattr(function, "__module__", None)
    return module or "", getattr(function, "__qualname__", None) or ""
