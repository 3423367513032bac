"""Tasks that take their time and nothing else: quickly imported, and no core is needed."""

from __future__ import annotations

import time


def nap(seconds: float, *after: object) -> int:
    time.sleep(seconds)
    return 1
