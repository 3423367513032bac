"""Tightness: containers that have nearly all their memory in use, before their platform ends them.

AWS Lambda, say, ends a whole execution environment for want of memory and tells nobody: what such a
container has said in time is all that anybody can know of it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping

from dask_serverless.backends.processes import resident_bytes

NEARLY_ALL = 0.75
BESIDE_MB = 192  # that the platform's own process and the nursery may take, with their libraries
BYTES_A_SECOND = 2 << 30  # so much a process may fill, at most
LEAST_SECONDS, MOST_SECONDS = 0.01, 0.25  # between two looks


class Tightness:
    """Looked at more often the less room there is. ``limit_mb``: of each container; 0: no limit."""

    def __init__(self, limit_mb: int) -> None:
        self.limit_mb = limit_mb
        self.told: dict[int, str] = {}  # process → the claim of which it was told
        self.look_at = 0.0

    def seconds_left(self) -> float:
        """Until the next look is due."""
        return max(0.0, self.look_at - time.monotonic()) if self.limit_mb else math.inf

    def look(self, claims: Mapping[int, str]) -> dict[int, str]:
        """By process, what it has in use: of those that have it nearly all, once for each claim."""
        used = {pid: resident_bytes(pid) for pid in claims if claims[pid] != self.told.get(pid)}
        tight = {pid: nbytes for pid, nbytes in used.items() if self.nearly_all(nbytes)}
        self.told = {pid: claims[pid] for pid in claims if pid in tight or pid in self.told}
        room = self.tight_bytes - max(used.values(), default=0)
        wait = min(MOST_SECONDS, max(LEAST_SECONDS, room / 2 / BYTES_A_SECOND))
        self.look_at = time.monotonic() + (MOST_SECONDS if tight else wait)
        return {pid: self.words(nbytes) for pid, nbytes in tight.items()}

    def nearly_all(self, nbytes: int) -> bool:
        return self.limit_mb > 0 and nbytes >= self.tight_bytes

    @property
    def tight_bytes(self) -> int:
        return int(min(NEARLY_ALL * self.limit_mb, self.limit_mb - BESIDE_MB)) << 20

    def words(self, nbytes: int) -> str:
        return f"{nbytes >> 20} MiB of its limit of {self.limit_mb} MiB"
