"""One compute, with what went through the store for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import dask

from benchmarks.network.proxy import Proxy


@dataclass(frozen=True)
class Measure:
    seconds: float
    nbytes: int  # both ways
    calls: int  # round trips


@dataclass
class Cell:
    """All measures of one scheduler on one graph."""

    measures: list[Measure] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        return median(one.seconds for one in self.measures)

    @property
    def nbytes(self) -> float:
        return median(one.nbytes for one in self.measures)

    @property
    def calls(self) -> float:
        return median(one.calls for one in self.measures)


@dataclass(frozen=True)
class Measured:
    """A scheduler behind a proxy that nobody else uses."""

    scheduler: Any
    proxy: Proxy

    def take(self, build: Callable[[], Any]) -> tuple[Any, Measure]:
        collection = build()
        before = self.proxy.figures
        begun = time.perf_counter()
        (result,) = dask.compute(collection, scheduler=self.scheduler)
        seconds = time.perf_counter() - begun
        after = self.proxy.figures
        moved = after.bytes_up + after.bytes_down - before.bytes_up - before.bytes_down
        return result, Measure(seconds, moved, self.scheduler.last_run.store_calls)


def in_turns(
    build: Callable[[], Any], peers: Mapping[str, Measured], repeat: int
) -> dict[str, Cell]:
    """Rounds in which everybody has a turn; all must give the same. The first one warms up."""
    cells = {name: Cell() for name in peers}
    expected = dask.compute(build(), scheduler="sync")[0]
    for turn in range(repeat + 1):
        for name, peer in peers.items():
            result, measure = peer.take(build)
            if result != expected:
                raise AssertionError(f"{name} computed {result}, not {expected}")
            if turn:
                cells[name].measures.append(measure)
    return cells
