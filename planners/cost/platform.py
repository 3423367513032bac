"""Platform: what containers are offered, how they behave when idle, and what they cost."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from planners.errors import TooLittleMemory
from planners.numbers.predictions import check_number
from planners.numbers.workload import Workload
from planners.plans.plan import Resources

# Finer below one vCPU, where memory and speed go together; Lambda offers any number of MB.
SIZES_MB = (256, 512, 768, 1024, 1280, 1536, 1769, 2654, 3538, 5307, 7076, 8845, 10240)


@dataclass(frozen=True)
class Prices:
    """A price table; the defaults are Lambda's on x86, in dollars."""

    gb_second: float = 0.0000166667
    invocation: float = 0.0000002
    moved_gb: float = 0.0

    def __post_init__(self) -> None:
        for of, value in vars(self).items():
            check_number(of, "the price table", value)

    def cost(self, gb_seconds: float, invocations: int, bytes_moved: float) -> float:
        moved = self.moved_gb * bytes_moved / 1e9
        return self.gb_second * gb_seconds + self.invocation * invocations + moved


@dataclass(frozen=True)
class Platform:
    """What the cost model has to know beside the tasks."""

    memory_sizes_mb: tuple[int, ...] = SIZES_MB
    default_memory_mb: int = 1769  # where neither plan nor resources name a size
    warm: tuple[tuple[int, int], ...] = ()  # (memory size, idle containers) at submission
    idle_seconds: float = 300.0  # an idle container goes cold after this long
    publish_seconds: float = 0.001  # the round trip that announces a finished bundle
    bundle_seconds: float = 0.0  # that a container takes for each bundle over its tasks' own time
    task_seconds: float = 0.0  # the same, for each task
    prices: Prices = field(default_factory=Prices)
    ask_bytes: float = 1 << 20  # from there on containers ask, before they store an output,
    # whether they may go on with its user: storing takes longer than a round trip
    inline_bytes: float = 16 << 10  # no larger, and an output travels within the calls themselves:
    # it is neither kept in a container's memory nor fetched ahead
    alike: bool = False  # all containers have the same: no size to choose, and none is faster
    speed_mb: int = 0  # tasks take what they do in this size, whichever it is; 0: what in their own

    def __post_init__(self) -> None:
        check_number("idle time", "platform", self.idle_seconds)
        check_number("publish time", "platform", self.publish_seconds)
        check_number("time of a bundle", "platform", self.bundle_seconds)
        check_number("time of a task", "platform", self.task_seconds)
        check_number("bytes to ask for", "platform", self.ask_bytes)
        check_number("bytes that travel inline", "platform", self.inline_bytes)
        for size, count in self.warm:
            check_number(f"the count of idle containers of {size} MB", "platform", count)
        if not self.memory_sizes_mb or not min(*self.memory_sizes_mb, self.default_memory_mb) > 0:
            raise ValueError(
                "Platform.memory_sizes_mb needs at least one size; each one, and "
                "default_memory_mb, has to be above zero"
            )

    def fitting_sizes(self, workload: Workload) -> list[int]:
        """Memory sizes in which every task fits, smallest first; of containers alike, that one."""
        sizes = sorted(self.memory_sizes_mb)
        if workload.dag.tasks:
            self.check_memory(workload, sizes[-1])
            needed = float(workload.peak_mb.max())
            sizes = [size for size in sizes if size >= needed]
        return sizes[:1] if self.alike else sizes

    def check_memory(self, workload: Workload, memory_mb: int) -> None:
        if workload.dag.tasks and float(workload.peak_mb.max()) > memory_mb:
            task = int(np.argmax(workload.peak_mb))
            needed_mb = float(workload.peak_mb[task])
            raise TooLittleMemory(task, workload.dag.label(task), needed_mb, memory_mb)

    def idling(self, containers: int) -> Platform:
        """While so many are there and have nothing to do, of whatever size."""
        return replace(self, warm=tuple([(size, containers) for size in self.memory_sizes_mb]))

    def starting(self, workload: Workload, memory_mb: int, containers: int) -> list[float]:
        """What so many take to be there, those that are warm first."""
        warm = min(dict(self.warm).get(memory_mb, 0), containers) if self.idle_seconds > 0 else 0
        there = [workload.warm_start(memory_mb)] * warm if warm else []
        cold = containers - warm
        return there + ([workload.cold_start(memory_mb)] * cold if cold else [])

    def memory_of(self, resources: Resources) -> int:
        """The one size of a plan whose planner does not choose sizes."""
        return resources.memory_mb or self.default_memory_mb
