"""How much memory containers use: a limit that no system keeps for us is kept here."""

from __future__ import annotations

import os
import signal
import time

from dask_serverless.backends.cgroup_memory import group_memory
from dask_serverless.backends.messages import Refused
from dask_serverless.backends.processes import kill, resident_bytes
from dask_serverless.backends.ward import Ward

LOOK_SECONDS = 0.2  # how often a container is weighed


class Scales:
    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes  # 0: none
        self.refused = False  # the limit: it is below what a container without work uses

    def due(self) -> float | None:
        return time.monotonic() + LOOK_SECONDS if self.limit_bytes else None

    def weigh(self, ward: Ward) -> None:
        if not self.limit_bytes or ward.why:
            return
        used = resident_bytes(ward.pid)
        if used > self.limit_bytes:
            ward.why = (
                f"it used {used >> 20} MiB of memory, more than its limit of "
                f"{self.limit_bytes >> 20} MiB (the setting memory)"
            )
            kill(ward.pid, signal.SIGKILL)

    def refusal(self) -> Refused | None:
        """A limit below what a container without work has must be told, not enforced; once."""
        used = resident_bytes(os.getpid())
        if not self.limit_bytes or used < self.limit_bytes or self.refused:
            return None
        self.refused = True
        problem = (
            f"is {self.limit_bytes >> 20} MiB, but a container without any work uses "
            f"{(used >> 20) + 1} MiB here already. Allow it more, or import less."
        )
        return Refused("memory", problem)


def end_outgrown(ward: Ward, why: str) -> None:
    """It waits for that: what it had is put back before another container can ask for it."""
    limit = group_memory().limit >> 20
    ward.why = f"it ran out of memory{f' at the limit of {limit} MiB' if limit else ''}: {why}"
    ward.outgrown = True
    kill(ward.pid, signal.SIGKILL)
