"""Looks: when the client looks after its run, unless it is told of its end before."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from dask_serverless.coordination.base import NEVER

LOOK_SECONDS = 1.0  # how long the client relies on being told, before it looks for itself
LEAST_SECONDS = 0.1  # between two looks, however many bundles have a time of their own
LATER_SECONDS = 0.01  # than a bundle should have begun: by the store's clock it must not have


class Looks:
    """Times are in seconds since the submission.

    A bundle that is late in its slot may be had by anyone from then on, but where all other
    containers have nothing to do and have left, only a look invites one of them for it.
    """

    def __init__(self, due_ms: Sequence[int] = ()) -> None:
        times = {each for each in due_ms if each < NEVER}
        self.late = [each / 1000 + LATER_SECONDS for each in sorted(times)]

    def after(self, last: float) -> float:
        """The next one."""
        regular = last + LOOK_SECONDS
        place = bisect_right(self.late, last)
        if place == len(self.late):
            return regular
        return min(regular, max(self.late[place], last + LEAST_SECONDS))
