"""Where this process works and finds its modules, as text that can travel."""

from __future__ import annotations

import os
import sys


def searched() -> list[str]:
    """Where this process finds modules, as text: some put objects for paths there."""
    return [os.fsdecode(f) for f in sys.path if isinstance(f, str | bytes | os.PathLike)]


def working_folder() -> str:
    """Empty where it is gone: then tasks run in whichever folder containers are in."""
    try:
        return os.getcwd()
    except OSError:
        return ""
