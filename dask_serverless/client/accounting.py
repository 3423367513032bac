"""What a run has taken of its containers, and what that costs by a price table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dask_serverless.client import forks
from dask_serverless.history.observations import Use

if TYPE_CHECKING:
    from planners.cost.platform import Prices

MB_PER_GB = 1024
MIB = 1 << 20

Container = Mapping[str, float]  # of RunReport.containers


@dataclass(frozen=True)
class Account:
    """All containers of one size."""

    memory_mb: int  # 0: without a limit that is known
    cold_starts: int = 0
    warm_starts: int = 0
    seconds: float = 0.0  # paid for: from the first bundle of each container to its last
    cpu_seconds: float = 0.0
    peak_bytes: int = 0  # the most that one of them had

    @property
    def gb_seconds(self) -> float:
        return self.seconds * (self.memory_mb or usual_mb()) / MB_PER_GB

    def cost(self, prices: Prices) -> float:
        return prices.cost(self.gb_seconds, self.cold_starts + self.warm_starts, 0.0)

    def __add__(self, other: Account) -> Account:
        return Account(
            self.memory_mb,
            self.cold_starts + other.cold_starts,
            self.warm_starts + other.warm_starts,
            self.seconds + other.seconds,
            self.cpu_seconds + other.cpu_seconds,
            max(self.peak_bytes, other.peak_bytes),
        )

    @property
    def shown(self) -> str:
        size = f"{self.memory_mb} MiB" if self.memory_mb else "no limit"
        return (
            f"{size}: {self.cold_starts} cold and {self.warm_starts} warm starts, "
            f"{self.cpu_seconds:.3f} s of processor time, at most {self.peak_bytes / MIB:.0f} MiB used, "
            f"{self.gb_seconds:.3f} GB s"
        )


def usual_mb() -> int:
    """Of a container without a limit: what plans go by, too."""
    with forks.importing:
        from planners.cost.platform import Platform

    return Platform.default_memory_mb


def account_of(container: Container) -> Account:
    cold = bool(container.get("cold"))
    return Account(
        int(container.get("memory_mb", 0)),
        cold_starts=int(cold),
        warm_starts=int(not cold),
        seconds=container.get("until", 0.0) - container.get("since", 0.0),
        cpu_seconds=container.get("cpu", 0.0),
        peak_bytes=int(container.get("peak", 0)),
    )


def use_of(container: Container) -> Use:
    """The same for the history."""
    account = account_of(container)
    cold = bool(account.cold_starts)
    return Use(account.memory_mb, cold, account.seconds, account.cpu_seconds, account.peak_bytes)


def accounts_of(containers: Iterable[Container]) -> list[Account]:
    """By size, the smallest first."""
    found: dict[int, Account] = {}
    for container in containers:
        account = account_of(container)
        size = account.memory_mb
        found[size] = found[size] + account if size in found else account
    return [found[size] for size in sorted(found)]
