"""Fine-grained graphs: tasks of a microsecond, so the scheduler's own cost is all there is."""

from __future__ import annotations

from operator import add
from typing import Any

from dask.delayed import Delayed, delayed

from benchmarks.graphs.table import graph


def pairwise(values: list[Any]) -> Any:
    """Add neighbours until one value is left."""
    plus = delayed(add, pure=False)
    while len(values) > 1:
        values = [plus(*values[i : i + 2]) for i in range(0, len(values), 2)]
    return values[0]


@graph("fine")
def tree_8192(seed: int) -> Delayed:
    """8,191 additions over literals."""
    return pairwise(list(range(seed, seed + 8192)))


@graph("fine")
def chain_2000(seed: int) -> Delayed:
    """2,000 additions, each of the one before."""
    plus = delayed(add, pure=False)
    value: Any = seed
    for step in range(2000):
        value = plus(value, step)
    return value


@graph("fine")
def fan_10000(seed: int) -> Delayed:
    """10,000 independent tasks, then a tree that sums a hundred at a time."""
    plus, total = delayed(add, pure=False), delayed(sum, pure=False)
    leaves = [plus(seed, i) for i in range(10_000)]
    return total([total(leaves[i : i + 100]) for i in range(0, 10_000, 100)])


@graph("fine", quick_without=("distributed", "synchronous", "ray"))
def tree_65536(seed: int) -> Delayed:
    """65,535 additions over literals."""
    return pairwise(list(range(seed, seed + 65_536)))


@graph("growth", times=5)
def tree_1024(seed: int) -> Delayed:
    """1,023 additions: the small end of the client's cost per task."""
    return pairwise(list(range(seed, seed + 1024)))


@graph("one", times=20)
def one_task(seed: int) -> Delayed:
    """One addition on a warm scheduler."""
    return delayed(add, pure=False)(seed, 1)
