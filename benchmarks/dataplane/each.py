"""Each optimization by itself, on a graph of the shape that it is for, beside its own forecast."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, ClassVar

import dask
import numpy as np
from dask.delayed import Delayed, delayed

from benchmarks.dataplane.graphs import last_of, look, nap, slow_block, sum_of_firsts, total
from benchmarks.network.apart import Apart
from benchmarks.network.proxy import Proxy
from benchmarks.report import duration
from benchmarks.verdicts import Verdict
from dask_serverless import Serverless
from dask_serverless.blobs.storage import Storage
from dask_serverless.store.connect import open_link
from planners.cost.model import CostModel
from planners.cost.platform import Platform
from planners.graph.dag import Dag
from planners.numbers.predictions import Constant, Line, Sla
from planners.optimizations.clustering import Clustering
from planners.optimizations.delayed_io import DelayedIo
from planners.optimizations.optimization import Optimization, Optimized
from planners.optimizations.preload import Preload
from planners.optimizations.prewarm import Prewarm
from planners.optimizations.streaming import Streaming
from planners.optimizations.task_dup import TaskDup
from planners.plans.plan import Plan, Planner, Resources
from planners.wukong import Wukong

CONTAINERS = 4
COLD_SECONDS = 0.6
IDLE_SECONDS = 1.5
WARM_SECONDS = 0.003
WITHIN = 0.25  # of the forecast
BLOCK_BYTES = 16_000_000
LOOKS = 2  # more downloads at once than cores would measure the cores
LOOK_SECONDS = 0.03
BLOCK_SECONDS = 0.03
PAIRS = 32
PARTNER_SECONDS = 0.03
SLOW_SECONDS = 0.3
TOGETHER_SECONDS = 0.12  # so that no more than two blocks are on their way at once, on average


@dataclass(frozen=True)
class Transfers:
    """What moving bytes takes here, as a history would have it."""

    round_trip: float
    up: float  # bytes a second
    down: float

    @staticmethod
    def measured(url: str) -> Transfers:
        """Through the proxy, as a container does it, in this very moment."""
        value = np.zeros(BLOCK_BYTES // 8)
        with open_link(url) as link:
            blobs = Storage().open(link)

            def put() -> None:
                link.call(*blobs.put("measured", value).commands)

            reference = blobs.put("measured", value).reference
            trip = min(timed(lambda: link.call(("PING",))) for _ in range(20))
            ups = [timed(put) for _ in range(3)]
            downs = [timed(lambda: blobs.get([reference])) for _ in range(3)]
            blobs.delete([reference])
        up, down = (BLOCK_BYTES / (median(taken) - trip) for taken in (ups, downs))
        return Transfers(trip, up, down)


def timed(act: Callable[[], object]) -> float:
    begun = time.perf_counter()
    act()
    return time.perf_counter() - begun


@dataclass(frozen=True)
class Transferring(Constant):
    """With another rate downwards."""

    download_bytes_per_second: float = 100e6

    def download(self, sla: Sla = "average") -> Line:
        return Line(self.transfer_latency_seconds, 1 / self.download_bytes_per_second)


@dataclass(frozen=True)
class Case:
    """A graph, what its functions take, and how containers are when it begins."""

    optimization: Optimization
    build: Callable[[], Delayed]
    expected: Any
    seconds_of: Mapping[str, float]
    output_bytes_of: Mapping[str, float] = field(default_factory=dict)
    planner: Planner = field(default_factory=Wukong)
    cold: bool = False

    @property
    def name(self) -> str:
        return self.optimization.name

    def planned(self, transfers: Transfers, *, optimized: bool) -> Optimized:
        numbers = Transferring(
            transfer_latency_seconds=transfers.round_trip,
            bytes_per_second=transfers.up,
            download_bytes_per_second=transfers.down,
            task_seconds=0.0005,
            task_output_bytes=100,
            seconds_of=self.seconds_of,
            output_bytes_of=self.output_bytes_of,
            cold_start_seconds=COLD_SECONDS,
            warm_start_seconds=WARM_SECONDS,
        )
        platform = Platform(
            publish_seconds=transfers.round_trip,
            idle_seconds=IDLE_SECONDS,
            warm=self.warm(),
            default_memory_mb=1769,
        )
        chosen = (self.optimization,) if optimized else ()
        return Optimized(self.planner, chosen, CostModel(numbers, platform))

    def warm(self) -> tuple[tuple[int, int], ...]:
        return () if self.cold else ((1769, CONTAINERS),)


def one_block_for_all() -> Delayed:
    """A block of zeros, made in no time and looked up twice."""
    zeros = delayed(np.zeros, pure=False)(BLOCK_BYTES // 8)
    looks = [delayed(last_of, pure=False)(zeros, number) for number in range(LOOKS)]
    return delayed(total, pure=False)(*looks)


def several_looks() -> Delayed:
    """A block whose handover takes longer than to look at it here, once and again."""
    large = delayed(slow_block, pure=False)(0, BLOCK_BYTES, BLOCK_SECONDS)
    looks = [delayed(look, pure=False)(large, number, LOOK_SECONDS) for number in range(LOOKS)]
    return delayed(total, pure=False)(*looks)


def blocks_with_partners() -> Delayed:
    """Each block is looked at with a number, which somebody has to make meanwhile."""
    looks = [
        delayed(look, pure=False)(
            delayed(slow_block, pure=False)(pair, BLOCK_BYTES, BLOCK_SECONDS),
            delayed(nap, pure=False)(PARTNER_SECONDS),
            TOGETHER_SECONDS,
        )
        for pair in range(PAIRS)
    ]
    return delayed(total, pure=False)(*looks)


def late_fan_out() -> Delayed:
    """One task, and then as many as there are containers."""
    top = delayed(nap, pure=False)(0.8)
    return delayed(sum, pure=False)([delayed(nap, pure=False)(0.8, top) for _ in range(CONTAINERS)])


def late_join() -> Delayed:
    """A long task and two large blocks, for one that takes all three."""
    long = delayed(nap, pure=False)(1.0)
    blocks = [delayed(slow_block, pure=False)(n, BLOCK_BYTES, BLOCK_SECONDS) for n in range(2)]
    return delayed(sum_of_firsts, pure=False)(long, *blocks)


def late_block() -> Delayed:
    """A large block that is the last to come, for a container that is done with another task."""
    short = delayed(nap, pure=False)(SLOW_SECONDS)
    large = delayed(slow_block, pure=False)(1, BLOCK_BYTES, SLOW_SECONDS)
    return delayed(sum_of_firsts, pure=False)(short, large)


@dataclass(frozen=True)
class InSlots:
    """A bundle a task; slots by hand, as a planner with a history would give them."""

    slots: tuple[int, ...]

    name: ClassVar[str] = "in_slots"

    def plan(self, dag: Dag, resources: Resources) -> Plan:
        slots = np.array(self.slots, dtype=np.int32)
        tasks = np.arange(dag.tasks, dtype=np.int32)
        return Plan(self.name, tasks, slots, np.zeros_like(slots))


CASES = (
    Case(
        TaskDup(),
        one_block_for_all,
        expected=sum(range(LOOKS)),
        seconds_of={"zeros": 0.0005},
        output_bytes_of={"zeros": BLOCK_BYTES},
    ),
    Case(
        Clustering(),
        several_looks,
        expected=sum(range(LOOKS)),
        seconds_of={"slow_block": BLOCK_SECONDS, "look": LOOK_SECONDS},
        output_bytes_of={"slow_block": BLOCK_BYTES},
    ),
    Case(
        DelayedIo(),
        blocks_with_partners,
        expected=sum(range(PAIRS)) + PAIRS,
        seconds_of={"slow_block": BLOCK_SECONDS, "nap": PARTNER_SECONDS, "look": TOGETHER_SECONDS},
        output_bytes_of={"slow_block": BLOCK_BYTES},
    ),
    Case(
        Prewarm(), late_fan_out, expected=CONTAINERS, seconds_of={"nap": 0.8}, cold=True
    ),
    Case(
        Preload(),
        late_join,
        expected=2.0,
        seconds_of={"nap": 1.0, "slow_block": BLOCK_SECONDS, "sum_of_firsts": 0.001},
        output_bytes_of={"slow_block": BLOCK_BYTES},
        planner=InSlots((0, 1, 2, 0)),
    ),
    Case(
        Streaming(),
        late_block,
        expected=2.0,
        seconds_of={
            "nap": SLOW_SECONDS, "slow_block": SLOW_SECONDS, "sum_of_firsts": 0.001,
        },
        output_bytes_of={"slow_block": BLOCK_BYTES},
        planner=InSlots((0, 1, 0)),
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Effect:
    """Seconds of a graph without and with an optimization, forecast and measured."""

    optimization: str
    forecast: tuple[float, float]
    measured: tuple[float, float]

    @property
    def right(self) -> float:
        """What was saved, by what was to be."""
        promised = self.forecast[0] - self.forecast[1]
        return (self.measured[0] - self.measured[1]) / promised if promised else 0.0

    def shown(self) -> dict[str, object]:
        return {
            "optimization": self.optimization,
            "without": duration(self.measured[0]),
            "forecast": duration(self.forecast[0]),
            "with": duration(self.measured[1]),
            "forecast ": duration(self.forecast[1]),
            "saved by promised": f"{self.right:.2f}",
        }

    def verdicts(self) -> list[Verdict]:
        what = f"time with {self.optimization} by time without"
        saved = f"saved by {self.optimization}, by its forecast"
        return [
            Verdict(what, self.measured[1] / self.measured[0], 1.0),
            Verdict(f"{saved}, at least", self.right, 1 - WITHIN, at_least=True),
            Verdict(f"{saved}, at most", self.right, 1 + WITHIN),
        ]


def effects(store: str, rtt: float, rate: float, repeat: int) -> Iterator[Effect]:
    for case in CASES:
        with Proxy(store, rtt_seconds=rtt, bytes_per_second=rate) as proxy:
            yield effect(case, proxy.url, repeat)


def effect(case: Case, url: str, repeat: int) -> Effect:
    """Without and with it in turns, on the same containers."""
    cold = {"cold_seconds": COLD_SECONDS, "idle_seconds": IDLE_SECONDS} if case.cold else {}
    scheduler = Serverless(store=url, backend=Apart(CONTAINERS, **cold), planner="wukong")
    measured: tuple[list[float], list[float]] = [], []
    forecast: tuple[list[float], list[float]] = [], []
    try:
        for turn in range(repeat + 1):
            transfers = Transfers.measured(url)
            for optimized in (False, True):
                planner = case.planned(transfers, optimized=optimized)
                view = scheduler.options(planner=planner, optimizations="all")
                prepare(scheduler, cold=case.cold)
                (result,) = dask.compute(case.build(), scheduler=view)
                if result != case.expected:
                    raise AssertionError(f"{result}, not {case.expected}")
                if turn:
                    measured[optimized].append(view.last_run.makespan_seconds)
                    forecast[optimized].append(view.last_run.plan.prediction.makespan_seconds)
    finally:
        scheduler.close()
    return Effect(case.name, medians(forecast), medians(measured))


def medians(both: tuple[list[float], list[float]]) -> tuple[float, float]:
    return median(both[0]), median(both[1])


def prepare(scheduler: Serverless, *, cold: bool) -> None:
    """All containers there and idle, or none of them."""
    if not cold:
        dask.compute(
            [delayed(nap, pure=False)(0.05) for _ in range(CONTAINERS)], scheduler=scheduler
        )
        return
    dask.compute(delayed(abs, pure=False)(-1), scheduler=scheduler)
    assert scheduler._engine is not None
    nursery = scheduler._engine.backend.process.pid
    while children(nursery):
        time.sleep(0.05)


def children(pid: int) -> Sequence[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
