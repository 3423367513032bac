"""What IPython's %autoreload has done: it may give functions new code without a new load."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

EXTENSION = "IPython.extensions.autoreload"


def present() -> bool:
    return EXTENSION in sys.modules


def reloader() -> Any:
    """IPython's own, which knows the time of each file that it has brought in; None without it."""
    if not present():
        return None
    with suppress(AttributeError, KeyError):
        shell = sys.modules["IPython"].get_ipython()
        return shell.magics_manager.registry["AutoreloadMagics"]._reloader
    return None


def brought_in(names: Iterable[str]) -> list[float | None]:
    """For each module when its file, as the client has it, was written; None where nobody knows."""
    with suppress(AttributeError):
        return list(map(reloader().modules_mtimes.get, names))
    return []


def failed(path: str) -> bool:
    """Whether the file could not be brought in: the client goes on with what it had."""
    return path in getattr(reloader(), "failed", ())
