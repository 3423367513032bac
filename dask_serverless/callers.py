"""Callers: the line of the user's that a warning is to point at."""

from __future__ import annotations

import sys


def frames_of_libraries() -> int:
    """How many frames below whoever calls the caller are Dask's and ours: users look at their own.

    ``warnings.warn(words, stacklevel=2 + frames_of_libraries())`` points at theirs.
    """
    depth, frame = 0, sys._getframe(2)
    while frame.f_back and frame.f_globals.get("__name__", "").startswith("dask"):
        depth, frame = depth + 1, frame.f_back
    return depth
