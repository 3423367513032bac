"""Workflows whose tasks take very different times: what plans that know the tasks are for.

Not in the table of ``GRAPHS``: other schedulers know as little of these tasks as of any others.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import numpy.typing as npt
from dask.delayed import Delayed, delayed

from benchmarks.graphs.coarse import SECONDS, spin, steps_of_one_task
from benchmarks.graphs.table import Graph

UNEQUAL, MIXED = "unequal", "mixed"  # lengths that functions tell; lengths that they do not

Block = npt.NDArray[np.float64]


def steps(seconds: float) -> int:
    return round(steps_of_one_task() * seconds / SECONDS)


def short(count: int, *inputs: Any) -> int:
    return spin(count, len(inputs))


def giant(count: int, *inputs: Any) -> int:
    return spin(count, len(inputs))


def fetch(seconds: float, number: int) -> int:
    """Waits, as for a server somewhere."""
    time.sleep(seconds)
    return number


def clean(count: int, value: int) -> int:
    return spin(count, value)


def simulate(count: int, value: int) -> int:
    return spin(count, value)


def train_small(count: int, data: int) -> int:
    return spin(count, data)


def train_large(count: int, data: int) -> int:
    return spin(count, data)


def evaluate(count: int, *models: int) -> int:
    return spin(count, len(models))


def uncertain(count: int, value: int) -> int:
    return spin(count, value)


def block(size: int, seed: int) -> Block:
    return np.random.default_rng(seed).random(size)


def ordered(values: Block) -> Block:
    """Time that grows with the input, unlike what its name or its arguments say."""
    return np.sort(values)


def total(values: Block) -> float:
    return float(values.sum())


def add(values: list[Any]) -> float:
    return float(sum(values))


def late_giants(seed: int) -> Delayed:
    """Forty short tasks, and one as long as all of them on one container: it comes last."""
    few = [delayed(short, pure=False)(steps(0.005), seed + i) for i in range(40)]
    one = delayed(giant, pure=False)(steps(0.2), seed)
    return delayed(add, pure=False)([*few, one])


def unequal_branches(seed: int) -> Delayed:
    """Branches of a fetch and a clean-up; the last ones go on with simulations, one with four."""
    ends = []
    for i in range(24):
        value = delayed(clean, pure=False)(
            steps(0.004), delayed(fetch, pure=False)(0.004, seed + i)
        )
        for _ in range({22: 1, 23: 4}.get(i, 0)):
            value = delayed(simulate, pure=False)(steps(0.05), value)
        ends.append(value)
    return delayed(add, pure=False)(ends)


def model_selection(seed: int) -> Delayed:
    """Data, many small models and two large ones, each evaluated."""
    data = delayed(clean, pure=False)(steps(0.01), seed)
    small = [delayed(train_small, pure=False)(steps(0.008), data) for _ in range(16)]
    large = [delayed(train_large, pure=False)(steps(0.12), data) for _ in range(2)]
    checked = [delayed(evaluate, pure=False)(steps(0.003), model) for model in (*small, *large)]
    return delayed(add, pure=False)(checked)


def stragglers(seed: int) -> Delayed:
    """One function whose calls take lognormal times, different in each run."""
    seconds = 0.006 * np.random.default_rng(seed).lognormal(0, 0.8, 48)
    tasks = [delayed(uncertain, pure=False)(steps(each), seed) for each in seconds.tolist()]
    groups = [delayed(add, pure=False)(tasks[i : i + 8]) for i in range(0, 48, 8)]
    return delayed(add, pure=False)(groups)


def uneven_blocks(seed: int) -> Delayed:
    """Blocks of very different sizes, sorted and added up."""
    sizes = (100_000 * np.random.default_rng(seed).lognormal(0, 1, 24)).astype(int)
    blocks = [delayed(block, pure=False)(size, seed) for size in sizes.tolist()]
    sums = [delayed(total, pure=False)(delayed(ordered, pure=False)(each)) for each in blocks]
    return delayed(add, pure=False)(sums)


WORKFLOWS = {
    graph.name: graph
    for graph in (
        Graph("late-giants", UNEQUAL, late_giants),
        Graph("unequal-branches", UNEQUAL, unequal_branches),
        Graph("model-selection", UNEQUAL, model_selection),
        Graph("stragglers", MIXED, stragglers),
        Graph("uneven-blocks", MIXED, uneven_blocks),
    )
}
