"""Measuring: peers take turns on fresh graphs, and every result is compared."""

from __future__ import annotations

import gc
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from time import perf_counter, process_time
from typing import Any

import dask

from benchmarks.deadline import Overdue, deadline
from benchmarks.graphs import GRAPHS, Graph
from benchmarks.limit import measure_limit
from benchmarks.peers.serverless import last_run_numbers
from benchmarks.same import same
from benchmarks.samples import LIMIT, Cell, Sample, Table
from benchmarks.settle import settle

REFERENCE = "synchronous"
DEADLINE_SECONDS = 180.0
WARM_UP_SEED = 10**6


@dataclass(frozen=True)
class Effort:
    """How much to measure."""

    repeat: int
    cell_seconds: float  # a peer that has used this much on a graph is not asked again
    containers: int


def timed(collection: Any, scheduler: Any) -> tuple[Any, Sample]:
    """Exactly what a user writes; also the default, for computes that Dask starts itself."""
    with dask.config.set(scheduler=scheduler), deadline(DEADLINE_SECONDS):
        client_start, start = process_time(), perf_counter()
        result = dask.compute(collection, scheduler=scheduler)[0]
        seconds, client_seconds = perf_counter() - start, process_time() - client_start
    return result, Sample(seconds, client_seconds, last_run_numbers(scheduler))


def timed_limit(collection: Any, containers: int) -> tuple[Any, Sample]:
    result, limit = measure_limit(collection)
    numbers = {"materialise": limit.materialise, "loop": limit.loop, "tasks": float(limit.tasks)}
    return result, Sample(limit.seconds(containers), limit.materialise, numbers)


def take(graph: Graph, seed: int, scheduler: Any, cell: Cell, containers: int) -> Any:
    """One turn of one peer (None: the limit); the last result, or the failure in its cell."""
    result: Any = None
    gc.collect()
    settle()
    try:
        for again in range(graph.times):
            collection = graph.build(seed + again)
            result, sample = (
                timed_limit(collection, containers)
                if scheduler is None
                else timed(collection, scheduler)
            )
            cell.samples.append(sample)
            cell.spent += sample.seconds
    except (Exception, Overdue) as error:
        cell.failure = f"{type(error).__name__}: {error}"
    return result


def compare_results(results: Mapping[str, Any], cells: Mapping[str, Cell]) -> None:
    """Everybody against Dask's synchronous scheduler; where it sits out, the bare loop.

    Both may be done earlier than the others; the first round has them, and so every peer is
    compared at least once.
    """
    if not {REFERENCE, LIMIT} & results.keys():
        return
    reference = results[REFERENCE if REFERENCE in results else LIMIT]
    for name, result in results.items():
        if not same(reference, result):
            cells[name].failure = f"wrong result: {result!r:.200} instead of {reference!r:.200}"


def measure(graph: Graph, schedulers: Mapping[str, Any], table: Table, effort: Effort) -> None:
    """All rounds of one graph, each in another order: nobody always follows the same peer."""
    turns = [(LIMIT, None), *schedulers.items()]
    cells = {name: table.cell(graph.name, name) for name, _ in turns}
    shuffled = Random(graph.name)
    table.families[graph.name] = graph.family
    for number in range(effort.repeat):
        results = {}
        for name, scheduler in shuffled.sample(turns, len(turns)):
            cell = cells[name]
            if cell.failure or cell.spent > effort.cell_seconds:
                continue
            result = take(graph, 1000 * number, scheduler, cell, effort.containers)
            if not cell.failure:
                results[name] = result
        compare_results(results, cells)


def warm_up(scheduler: Any) -> None:
    """A little of everything: workers import their libraries before the first round."""
    with dask.config.set(scheduler=scheduler), deadline(DEADLINE_SECONDS):
        for name in ("tall-skinny-qr", "groupby", "foldby", "tree-1024"):
            dask.compute(GRAPHS[name].build(WARM_UP_SEED), scheduler=scheduler)
