"""How many cores this process may use, which in a container is less than the machine has."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
SELF = Path("/proc/self/cgroup")


def cores() -> int:
    try:
        usable = len(os.sched_getaffinity(0))
    except AttributeError:
        usable = os.cpu_count() or 1
    return max(1, math.ceil(min(usable, quota())))


def quota(root: Path = ROOT, known: Path = SELF) -> float:
    """The share of the strictest group that this process is in; infinite where there is none."""
    return min(
        (share for folder in groups(root, known) for share in shares(folder)), default=math.inf
    )


def groups(root: Path, known: Path) -> Iterator[Path]:
    """The folders of this process's groups, and of those that these are in.

    Inside a container the path that the kernel tells is often one of the host, of which only the
    end (or nothing but the root) is mounted here.
    """
    try:
        lines = [line for line in known.read_text().splitlines() if line.count(":") > 1]
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        mounts = [root / controllers, root / "cpu", root / "cpu,cpuacct"] if controllers else [root]
        for mount in mounts:
            inner = mount / path.lstrip("/")
            yield from (inner, *inner.parents[: len(inner.parts) - len(mount.parts)])


def shares(folder: Path) -> Iterator[float]:
    yield from share(folder, "cpu.max")
    yield from share(folder, "cpu.cfs_quota_us", "cpu.cfs_period_us")


def share(folder: Path, *names: str) -> Iterator[float]:
    """Quota over period: in one file of version 2, in two of version 1."""
    try:
        quota, period = " ".join((folder / name).read_text() for name in names).split()
    except (OSError, ValueError):
        return
    if quota.isdigit() and period.isdigit() and int(quota) and int(period):
        yield int(quota) / int(period)
