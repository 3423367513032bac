"""``python -m benchmarks latency``: what it costs that the store is far away, and invoking slow."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import dask
from dask.delayed import Delayed, delayed

from benchmarks.classic.scheduler import Classic
from benchmarks.network.apart import Apart
from benchmarks.network.proxy import Proxy
from benchmarks.report import duration
from benchmarks.units import seconds, several_seconds
from benchmarks.verdicts import Verdict, table, verdict_lines
from dask_serverless import Serverless
from dask_serverless.store.embedded import EmbeddedStore

TASKS, TASK_SECONDS = 1024, 0.01
CONTAINERS = 16
REPEAT = 5
JUDGED_RTT = 0.001
MOST = 1.5  # times the same without latency
ENGINE, CLASSIC = "structural", "classic"

Open = Callable[[str, float], Any]


@dataclass(frozen=True)
class Row:
    """One scheduler at one distance."""

    scheduler: str
    store_rtt: float
    invoke_latency: float
    seconds: list[float]
    store_calls: int
    late: float  # seconds by which the proxy passed on too late, for each piece


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--store-rtt", type=several_seconds, default=[0.001, 0.005], metavar="TIMES",
        help="round trips to the store, each measured beside none (1ms,5ms)",
    )  # fmt: skip
    parser.add_argument(
        "--invoke-latency", type=seconds, default=0.0, metavar="TIME",
        help="from an invitation to its arrival at a container (0)",
    )  # fmt: skip
    parser.add_argument("--containers", type=int, default=CONTAINERS)
    parser.add_argument("--tasks", type=int, default=TASKS, help="of a tree, of 10 ms each")
    parser.add_argument("--repeat", type=int, default=REPEAT)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all samples there, too")


def run(arguments: argparse.Namespace) -> None:
    rtts = [0.0, *(rtt for rtt in arguments.store_rtt if rtt)]
    with EmbeddedStore() as store:
        rows = list(measured(store.wait_ready(), rtts, arguments))
    base = {row.scheduler: median(row.seconds) for row in rows if not row.store_rtt}
    print(table([_shown(row, base[row.scheduler]) for row in rows]))
    verdicts = verdicts_of(rows, base)
    print("\n" + "\n".join(verdict_lines(verdicts)))
    if arguments.json:
        value = {"rows": [asdict(row) for row in rows], "verdicts": [v.to_json() for v in verdicts]}
        arguments.json.write_text(json.dumps(value, indent=1))


def tree(leaves: int) -> Delayed:
    """A tree of naps: tasks that need no core, so that there may be more containers than cores."""
    join = delayed(nap, pure=False)
    values: list[Any] = [1] * leaves
    while len(values) > 1:
        values = [join(*values[i : i + 2]) for i in range(0, len(values), 2)]
    return values[0]


def nap(*values: int) -> int:
    time.sleep(TASK_SECONDS)
    return sum(values)


def schedulers(containers: int, invoke_latency: float) -> dict[str, Callable[[str], Any]]:
    def engine(planner: str) -> Callable[[str], Any]:
        return lambda url: Serverless(
            store=url, backend=Apart(containers, invoke_seconds=invoke_latency), planner=planner
        )

    return {
        ENGINE: engine("structural"),
        "wukong": engine("wukong"),
        CLASSIC: lambda url: Classic(url, containers, invoke_latency),
    }


def measured(store: str, rtts: Sequence[float], arguments: argparse.Namespace) -> Iterator[Row]:
    """For each scheduler all distances in turns, so that a slow moment is nobody's."""
    for name, make in schedulers(arguments.containers, arguments.invoke_latency).items():
        with ExitStack() as stack:
            proxies = {rtt: stack.enter_context(distance(store, rtt)) for rtt in rtts}
            opened = {rtt: make(url) for rtt, (url, _) in proxies.items()}
            for scheduler in opened.values():
                stack.callback(scheduler.close)
            taken: dict[float, list[float]] = {rtt: [] for rtt in rtts}
            for turn in range(arguments.repeat + 1):
                for rtt, scheduler in opened.items():
                    spent = timed(tree(arguments.tasks), scheduler, arguments.tasks)
                    if turn:  # before, containers come up
                        taken[rtt].append(spent)
            for rtt, (_, proxy) in proxies.items():
                yield Row(
                    name, rtt, arguments.invoke_latency, taken[rtt],
                    opened[rtt].last_run.store_calls, proxy.figures.lateness if proxy else 0.0,
                )  # fmt: skip


@contextmanager
def distance(store: str, rtt: float) -> Iterator[tuple[str, Proxy | None]]:
    """The store so far away; itself where that is nothing."""
    if not rtt:
        yield store, None
        return
    with Proxy(store, rtt_seconds=rtt) as proxy:
        yield proxy.url, proxy


def timed(collection: Delayed, scheduler: Any, expected: int) -> float:
    begun = time.perf_counter()
    (result,) = dask.compute(collection, scheduler=scheduler)
    spent = time.perf_counter() - begun
    if result != expected:
        raise AssertionError(f"{scheduler} computed {result}, not {expected}")
    return spent


def verdicts_of(rows: Sequence[Row], base: dict[str, float]) -> list[Verdict]:
    return [
        Verdict(
            f"time at {duration(row.store_rtt)} round trips by that at none, {row.scheduler}",
            median(row.seconds) / base[row.scheduler],
            MOST,
        )
        for row in rows
        if row.scheduler == ENGINE and row.store_rtt == JUDGED_RTT
    ]


def _shown(row: Row, base: float) -> dict[str, object]:
    return {
        "scheduler": row.scheduler,
        "round trip": duration(row.store_rtt) if row.store_rtt else "none",
        "invocation": duration(row.invoke_latency) if row.invoke_latency else "none",
        "median": duration(median(row.seconds)),
        "from … to": f"{duration(min(row.seconds))} … {duration(max(row.seconds))}",
        "by no round trip": f"{median(row.seconds) / base:.2f}",
        "store calls": row.store_calls,
        "proxy late by": duration(row.late) if row.late else "–",
    }
