"""Waiting for what no event tells."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(
    condition: Callable[[], T], seconds: float = 30.0, instead: Callable[[], object] = str
) -> T:
    """The condition's value as soon as it is true; a failure when it does not come true, which tells
    what there is ``instead``.
    """
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {condition} {instead()}"
        time.sleep(0.005)
    return value
