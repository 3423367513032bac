"""Waiting until the peer that was measured before has come to rest; some free things later."""

from __future__ import annotations

from pathlib import Path
from time import monotonic, sleep

STAT = Path("/proc/stat")
WINDOW_SECONDS = 0.05
LONGEST_SECONDS = 0.5  # other people's work never ends
QUIET = 0.8  # of all processor time is idle


def processor_times() -> tuple[int, int]:
    """Idle and all ticks of all cores since the start of the machine."""
    ticks = [int(field) for field in STAT.read_text().split("\n", 1)[0].split()[1:9]]
    return ticks[3] + ticks[4], sum(ticks)


def settle() -> None:
    """Return once the machine is nearly idle, or when that does not happen."""
    if not STAT.exists():
        sleep(WINDOW_SECONDS)
        return
    end = monotonic() + LONGEST_SECONDS
    while monotonic() < end:
        idle, every = processor_times()
        sleep(WINDOW_SECONDS)
        idle_after, every_after = processor_times()
        if idle_after - idle >= QUIET * (every_after - every):
            return
