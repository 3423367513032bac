"""Ctrl-C at a chosen step: each line of some modules in turn, instead of a random moment."""

from __future__ import annotations

import linecache
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any


def interrupted(step: int, modules: tuple[str, ...], function: Callable[[], object]) -> bool:
    """Call it, with a KeyboardInterrupt at that step; whether there was such a step."""
    left = step

    def trace(frame: FrameType, event: str, _argument: Any) -> Any:
        nonlocal left
        if not frame.f_globals.get("__name__", "").startswith(modules):
            return None
        if event not in ("call", "line") or leaves_with(frame):
            return trace
        left -= 1
        if left == 0:
            raise KeyboardInterrupt
        return trace if left > 0 else None

    former = sys.gettrace()
    sys.settrace(trace)
    try:
        function()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(former)
    return left <= 0


def leaves_with(frame: FrameType) -> bool:
    """Whether a lock may be released just now: Python looks for signals before that, or after."""
    line = linecache.getline(frame.f_code.co_filename, frame.f_lineno)
    return line.lstrip().startswith("with ")


def at_every_step(modules: tuple[str, ...], function: Callable[[], object]) -> Iterator[int]:
    """The steps at which it was interrupted, until it came to its end."""
    step = 1
    while interrupted(step, modules, function):
        yield step
        step += 1
