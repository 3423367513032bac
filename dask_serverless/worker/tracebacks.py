"""Tracebacks on their way to the client: the user's frames, and a traceback made of them again."""

from __future__ import annotations

import sys
import traceback
from functools import lru_cache
from types import CodeType, TracebackType
from typing import Any

OURS = "dask_serverless"
MOST_FRAMES = 2000  # of one exception; who raises the recursion limit gets the two ends
NO_COLUMNS = 0x80 | 13 << 3  # an entry of a code object's table of lines (CPython 3.11 and later)

Frame = tuple[str, int, str]  # file, line, function


def frames_of(tb: TracebackType | None) -> list[Frame]:
    frames = [
        (frame.f_code.co_filename, line, frame.f_code.co_name)
        for frame, line in traceback.walk_tb(tb)
        if not str(frame.f_globals.get("__name__", "")).startswith(OURS)
    ]
    if len(frames) > MOST_FRAMES:
        half = MOST_FRAMES // 2
        frames[half:-half] = [(f"({len(frames) - MOST_FRAMES} frames left out)", 1, "…")]
    return frames


def rebuilt(frames: list[Frame]) -> TracebackType | None:
    """A traceback that shows the frames of another process, with their lines of source."""
    tb: TracebackType | None = None
    for file, line, name in reversed(frames):
        frame = _frame(file, line, name)
        tb = TracebackType(tb, frame, frame.f_lasti, line)
    return tb


def _frame(file: str, line: int, name: str) -> Any:
    scope: dict[str, Any] = {"getframe": sys._getframe, "__name__": name, "__file__": file}
    exec(_code(file, line, name), scope)
    return scope["frame"]


@lru_cache(maxsize=500)
def _code(file: str, line: int, name: str) -> CodeType:
    """Code all of whose instructions are in that line of that file, in no column: else the
    columns of this stand-in would be underlined in the user's line.
    """
    code: CodeType = compile("frame = getframe()", file, "exec")
    units = len(code.co_code) // 2
    lines = [bytes([NO_COLUMNS | min(8, units - i) - 1, 0]) for i in range(0, units, 8)]
    return code.replace(
        co_name=name, co_qualname=name, co_firstlineno=line, co_linetable=b"".join(lines)
    )
