"""What a run has taken of its containers, and what that costs by a price table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dask_serverless.client import forks
from dask_serverless.history.observations import Use

if TYPE_CHECKING:
    from planners.cost.platform import Prices

MB_PER_GB = 1024
MIB = 1 << 20

Container = Mapping[str, Any]  # of RunReport.containers


@dataclass(frozen=True)
class Account:
    """All containers of one size."""

    memory_mb: int  # 0: without a limit that is known
    cold_starts: int = 0
    warm_starts: int = 0
    seconds: float = 0.0  # paid for: from the first bundle of each container, or since its platform
    # charges for the visit, to its last
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


def visited(container: MutableMapping[str, Any], since: float) -> None:
    """Its platform charges for a visit since then: its first one, or one after those before."""
    if container["bundles"]:
        container["before"].append(last_visit(container))
        container["since"] = container["until"] = since
    else:
        container["since"] = min(container["since"], since)


def last_visit(container: Container) -> tuple[float, float]:
    """What it took: seconds that are paid for, and of processor time."""
    before = sum(cpu_seconds for _, cpu_seconds in container.get("before", ()))
    seconds = container.get("until", 0.0) - container.get("since", 0.0)
    return seconds, container.get("cpu", 0.0) - before


def uses_of(container: Container) -> list[Use]:
    """For the history, visit by visit: by the first one it may have come up."""
    size, peak = int(container.get("memory_mb", 0)), int(container.get("peak", 0))
    visits = [*container.get("before", ()), last_visit(container)]
    return [
        Use(size, bool(container.get("cold")) and not visit, seconds, cpu_seconds, peak)
        for visit, (seconds, cpu_seconds) in enumerate(visits)
    ]


def account_of(container: Container) -> Account:
    uses = uses_of(container)
    cold = sum(use.cold for use in uses)
    return Account(
        int(container.get("memory_mb", 0)),
        cold_starts=cold,
        warm_starts=len(uses) - cold,
        seconds=sum(use.seconds for use in uses),
        cpu_seconds=sum(use.cpu_seconds for use in uses),
        peak_bytes=int(container.get("peak", 0)),
    )


def accounts_of(containers: Iterable[Container]) -> list[Account]:
    """By size, the smallest first."""
    found: dict[int, Account] = {}
    for container in containers:
        account = account_of(container)
        size = account.memory_mb
        found[size] = found[size] + account if size in found else account
    return [found[size] for size in sorted(found)]
