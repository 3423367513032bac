"""What it costs that containers could do all this, on graphs that have no use for any of it."""

from __future__ import annotations

import time

import dask

from benchmarks.graphs import GRAPHS
from benchmarks.verdicts import Verdict
from dask_serverless import Serverless

NAMES = ("tree-1024", "tree-8192", "chain-2000")
SECONDS = 8.0  # for each graph, and
LEAST_TURNS = 20  # however long they take
MOST = 1.03


def overhead() -> list[Verdict]:
    """The fastest with all of it switched on by the fastest without, in turns."""
    scheduler = Serverless(containers=2)
    try:
        return [overhead_on(name, scheduler) for name in NAMES]
    finally:
        scheduler.close()


def overhead_on(name: str, scheduler: Serverless) -> Verdict:
    """As often as there is time: the fastest of many is what other work on the machine hardly hides."""
    views = {which: scheduler.options(optimizations=which) for which in ("none", "all")}
    taken: dict[str, list[float]] = {which: [] for which in views}
    turn, end = 0, time.monotonic() + SECONDS
    while time.monotonic() < end or turn < LEAST_TURNS:
        turn += 1
        for which in sorted(views, reverse=bool(turn % 2)):
            taken[which].append(timed(name, turn, views[which]))
    what = f"time of {name} with optimizations by without, fastest of {turn}"
    return Verdict(what, min(taken["all"]) / min(taken["none"]), MOST)


def timed(name: str, seed: int, scheduler: Serverless) -> float:
    collection = GRAPHS[name].build(seed)
    begun = time.perf_counter()
    dask.compute(collection, scheduler=scheduler)
    return time.perf_counter() - begun
