"""What this container's group of processes may use of memory, and whether the kernel took some."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
UNLIMITED = 1 << 60  # version 1 has a number for it


@dataclass(frozen=True)
class GroupMemory:
    limit: int = 0  # bytes; 0: none, or nobody knows
    peak: int = 0  # bytes, since the container began
    kills: int = 0  # processes that the kernel has killed for want of memory

    @property
    def told(self) -> str:
        limit = f" of {self.limit >> 20} MiB" if self.limit else ""
        peak = f" (at most {self.peak >> 20} MiB were in use)" if self.peak else ""
        return f"it ran out of memory: the kernel killed it at the limit{limit}{peak}"


def group_memory(root: Path = ROOT) -> GroupMemory:
    """Inside a container, where the group is the root of what is mounted; version 2 or 1."""
    v1 = root / "memory"
    return GroupMemory(
        limit=first(root / "memory.max", v1 / "memory.limit_in_bytes"),
        peak=first(root / "memory.peak", v1 / "memory.max_usage_in_bytes"),
        kills=group_kills(root),
    )


def group_kills(root: Path = ROOT) -> int:
    """Since the container began: what was before somebody's work is no reason for its end."""
    return next((int(number) for file in counting(root) for number in counts(file)), 0)


def counters(root: Path) -> bool:
    """Whether the kernel counts at all."""
    return any(True for file in counting(root) for _ in counts(file))


def counting(root: Path) -> tuple[Path, ...]:
    return root / "memory.events", root / "memory" / "memory.oom_control"


def first(*files: Path) -> int:
    for file in files:
        with suppress(OSError, ValueError):
            number = int(file.read_text())
            return number if number < UNLIMITED else 0
    return 0


def counts(file: Path) -> Iterator[str]:
    with suppress(OSError):
        for line in file.read_text().splitlines():
            name, _, number = line.partition(" ")
            if name == "oom_kill" and number.isdigit():
                yield number


class Kills:
    """Which ends of processes the kernel's count accounts for: it only ever grows, and has no names.

    A program that a task starts is counted, too, and says nothing of what ends the task's process later.
    """

    def __init__(self, root: Path = ROOT) -> None:
        self.root = root
        self.accounted = group_kills(root)
        # Else nobody knows: it is another group, or none, that the platform limits.
        self.counted = group_memory(root).limit > 0 and counters(root)

    @property
    def so_far(self) -> int:
        return group_kills(self.root)

    def took(self, before: int) -> bool:
        """Whether it may have been one who had begun when there were so many before."""
        known = max(before, self.accounted)
        taken = self.so_far > known
        self.accounted = known + taken
        return taken


class GroupPeak:
    """The most that this container's group has used since a run began, as the kernel's limit counts."""

    def __init__(self, root: Path = ROOT) -> None:
        self.root = root
        self.limit_mb = group_memory(root).limit >> 20
        self.before = self.most = 0

    def begin(self) -> None:
        self.before, self.most = group_memory(self.root).peak, 0

    def peak(self) -> int:
        """The kernel's own peak, if it has risen since; else what was there when anybody looked."""
        v1 = self.root / "memory"
        peak = first(self.root / "memory.peak", v1 / "memory.max_usage_in_bytes")
        if peak > self.before:
            return peak
        now = first(self.root / "memory.current", v1 / "memory.usage_in_bytes")
        self.most = max(self.most, now)
        return self.most
