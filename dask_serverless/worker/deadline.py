"""Calls of code that may hang: given up after a while, so that nothing else waits for it."""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Callable
from typing import Any

CALL_SECONDS = 3.0  # what one call may take
ALL_SECONDS = 10.0  # what all calls together may take


class Deadline:
    """Bounds calls into a user's class that happen on our account, such as its ``__reduce__``."""

    def __init__(self, all_seconds: float = ALL_SECONDS) -> None:
        self.end = time.monotonic() + all_seconds

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """What the function returns or raises; TimeoutError if it does neither in time."""
        answer: list[Any] = []

        def ask() -> None:
            try:
                answer.append((True, function(*arguments)))
            except BaseException as error:
                answer.append((False, error))

        thread = threading.Thread(target=ask, name="dask-serverless-deadline", daemon=True)
        thread.start()
        thread.join(max(0.0, min(CALL_SECONDS, self.end - time.monotonic())))
        if not answer:
            _stop(thread)
            raise TimeoutError("it took too long")
        well, value = answer[0]
        if well:
            return value
        raise value


def _stop(thread: threading.Thread) -> None:
    """End a loop in Python; what sleeps or is stuck in native code is left alone."""
    if thread.ident is not None:
        ident = ctypes.c_ulong(thread.ident)
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ident, ctypes.py_object(SystemExit))
