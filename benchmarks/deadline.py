"""A limit on how long a compute may take, so that a peer that hangs does not end the run."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Overdue(BaseException):
    """The time is up. Not an Exception: peers catch those in their own loops."""


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Interrupt the main thread, which is where the comparison computes."""

    def interrupt(*_: Any) -> None:
        raise Overdue(f"no result within {seconds:g} s")

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
