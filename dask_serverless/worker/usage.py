"""What a container takes while it works on a run: processor time, and the most memory it has at once."""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Callable
from contextlib import suppress
from time import perf_counter, process_time
from typing import Protocol

from dask_serverless.worker.told import Used

LOOK_SECONDS = 0.001  # not more often: bundles may take less, and a look takes some microseconds
PEAK_UNIT_BYTES = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss
RESET_PEAK = b"5"  # what Linux understands in /proc/self/clear_refs


class Memory(Protocol):
    """Where a container's memory is counted."""

    limit_mb: int  # 0: none, or nobody knows

    def begin(self) -> None:
        """What was taken before is another run's."""

    def peak(self) -> int:
        """Bytes, since then."""


class ProcessMemory:
    """The system's count for this process; ``alone`` if it is one container's and nobody else's."""

    def __init__(self, limit_mb: int = 0, alone: bool = False) -> None:
        self.limit_mb = limit_mb
        self.references = -1
        if alone:
            with suppress(OSError):  # not Linux: then it is the peak since the process began
                self.references = os.open("/proc/self/clear_refs", os.O_WRONLY)

    def begin(self) -> None:
        if self.references >= 0:
            try:
                os.write(self.references, RESET_PEAK)
            except OSError:  # a sandbox that lets it be opened, and no more
                self.references = -1

    def peak(self) -> int:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * PEAK_UNIT_BYTES


class OwnMemory:
    """A process's memory without the files that it keeps mapped: those are no task's."""

    def __init__(self, whole: Memory, mapped: Callable[[], int]) -> None:
        self.whole = whole
        self.limit_mb = whole.limit_mb
        self.mapped = mapped

    def begin(self) -> None:
        self.whole.begin()

    def peak(self) -> int:
        return self.whole.peak() - self.mapped()


def processor_time() -> float:
    """Seconds of this process, and of the programs that its tasks have started and waited for."""
    others = resource.getrusage(resource.RUSAGE_CHILDREN)
    return process_time() + others.ru_utime + others.ru_stime


class Usage:
    """Looked at when something is reported anyway."""

    def __init__(
        self,
        memory: Memory,
        clock: Callable[[], float] = processor_time,
        told: Callable[[float], object] = lambda cpu_seconds: None,
    ) -> None:
        self.memory = memory
        self.clock = clock
        self.told = told  # to whom the clock is shown, should this process be killed
        self.begun = 0.0  # by the clock
        self.spent = 0.0  # likewise, when it was told last
        self.looked = 0.0
        self.charged = 0.0  # since when the platform charges for the visit, until that is told

    def begin(self, charged: float = 0.0) -> None:
        """With another run, or once more with the same one."""
        self.memory.begin()
        self.charged = charged
        self.begun = self.spent = self.clock()
        self.looked = 0.0
        self.told(self.spent)

    @property
    def taken(self) -> float:
        """Seconds of processor time since it began."""
        return max(0.0, self.clock() - self.begun)

    def to_tell(self) -> Used | None:
        """Since it was told before; None: that was a moment ago."""
        now = perf_counter()
        if now - self.looked < LOOK_SECONDS:
            return None
        before, self.spent, self.looked = self.spent, self.clock(), now
        self.told(self.spent)
        charged, self.charged = self.charged, 0.0
        return Used(self.spent - before, self.memory.peak(), self.memory.limit_mb, charged)
