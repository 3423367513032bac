"""The file that keeps what runs measured: without it they work, and learn nothing for later ones."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from dask_serverless.command.checks.finding import Finding, ok, warning
from dask_serverless.config import Settings
from dask_serverless.errors import HistoryUnusable
from dask_serverless.history.file import default_path

WHAT = "history"
FIX = "Name a file in the setting history, or false: nothing is learned then."


def check_history(settings: Settings) -> Iterator[Finding]:
    """Nothing is made: a run makes the file and its folders. A named store keeps it itself."""
    if not settings.history or (settings.store is not None and settings.history is True):
        return
    try:
        path = Path(default_path() if settings.history is True else settings.history)
    except HistoryUnusable as error:
        yield warning(WHAT, str(error), FIX)
        return
    if writable(path):
        yield ok(WHAT, str(path))
    else:
        yield warning(WHAT, f"{path} cannot be written: runs learn nothing for later ones", FIX)


def writable(path: Path) -> bool:
    """Whether the file could be replaced, or it and its folders be made."""
    there = next(folder for folder in path.parents if os.path.lexists(folder))
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK) and not path.is_dir()
