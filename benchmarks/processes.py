"""Processor time and memory of a client's processes, by what they are: counts that no noise moves."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")
DASHBOARD, STORE, CONTAINERS, BROWSER = "dashboard", "store", "containers", "browser"


def descendants(pid: int) -> dict[int, str]:
    """Their kinds. All that a browser has started is the browser's: what ends has no command line."""
    found: dict[int, str] = {}
    waiting = [(pid, "")]
    for each, its_kind in waiting:
        for path in PROC.glob(f"{each}/task/*/children"):
            with suppress(OSError):
                for child in map(int, path.read_text().split()):
                    found[child] = BROWSER if its_kind == BROWSER else kind(child)
                    waiting.append((child, found[child]))
    return found


def kind(pid: int) -> str:
    line = read(pid, "cmdline").replace("\0", " ")
    if "dask_serverless.dashboard" in line:
        return DASHBOARD
    if "chrom" in line.partition(" ")[0] or "playwright" in line:
        return BROWSER
    return STORE if "-server" in line else CONTAINERS


def cpu_seconds(pid: int) -> float:
    """Of all threads, in nanoseconds by the scheduler: ticks are too coarse for one run."""
    total = 0
    for path in PROC.glob(f"{pid}/task/*/schedstat"):
        with suppress(OSError, ValueError, IndexError):
            total += int(path.read_text().split()[0])
    return total / 1e9


def spent(pid: int) -> dict[str, float]:
    """By kind, for this process's descendants; its own under "client"."""
    times = {"client": cpu_seconds(pid)}
    for each, its_kind in descendants(pid).items():
        times[its_kind] = times.get(its_kind, 0.0) + cpu_seconds(each)
    return times


def resident_bytes(pid: int) -> int:
    for line in read(pid, "status").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0


def read(pid: int, name: str) -> str:
    with suppress(OSError):
        return (PROC / str(pid) / name).read_text(errors="replace")
    return ""
