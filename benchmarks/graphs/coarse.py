"""Coarse tasks: a tenth of a second of pure computation each."""

from __future__ import annotations

from functools import cache
from time import process_time

from dask.delayed import Delayed, delayed

from benchmarks.graphs.table import graph

SECONDS = 0.1
SAMPLE = 200_000  # steps that calibration times


def spin(steps: int, start: int) -> int:
    """Arithmetic that nothing can shorten; it holds the interpreter's lock."""
    value = start
    for _ in range(steps):
        value = (value * 1_103_515_245 + 12_345) % 2_147_483_648
    return value


@cache
def steps_of_one_task() -> int:
    """The same number of steps for every peer, found once, so that a slow moment is nobody's."""

    def seconds() -> float:
        start = process_time()
        spin(SAMPLE, 1)
        return process_time() - start

    return round(SAMPLE * SECONDS / min(seconds() for _ in range(5)))


@graph("coarse", quick_without=("threads", "synchronous"))
def coarse_64(seed: int) -> Delayed:
    """64 tasks of 100 ms."""
    work = delayed(spin, pure=False)
    tasks = [work(steps_of_one_task(), seed + i) for i in range(64)]
    return delayed(sum, pure=False)(tasks)
