"""Forked: a process that a task has forked, and that comes back from the task, ends here.

It is no container: it would announce the task's outcome in its parent's place, over its parent's
connections, and take every second invitation from then on.
"""

from __future__ import annotations

import os
import sys
import traceback
from contextlib import suppress
from typing import NoReturn


def end_forked(error: BaseException | None = None) -> NoReturn:
    """With what was raised there as any process ends, without what its parent does at its own end."""
    status = 0
    try:
        if error is not None:
            status = status_of(error)
        with suppress(Exception):
            sys.stdout.flush()
    finally:
        os._exit(status)


def status_of(error: BaseException) -> int:
    if not isinstance(error, SystemExit):
        traceback.print_exception(error)
        return 1
    if error.code is None or isinstance(error.code, int):
        return (error.code or 0) & 0xFF
    print(error.code, file=sys.stderr)
    return 1
