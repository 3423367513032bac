"""How long to go on trying."""

from __future__ import annotations

import time

FIRST_PAUSE_SECONDS = 0.005
LONGEST_PAUSE_SECONDS = 1.0


class Patience:
    """Pauses that grow, until a time is up; the first is none, since a retry often just works."""

    def __init__(self, seconds: float) -> None:
        self._deadline = time.monotonic() + seconds
        self._pause_seconds = 0.0

    def pause(self) -> bool:
        """Wait before the next try; False once there is no time for one."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            return False
        time.sleep(min(self._pause_seconds, left))
        grown = 2 * self._pause_seconds or FIRST_PAUSE_SECONDS
        self._pause_seconds = min(grown, LONGEST_PAUSE_SECONDS)
        return True
