"""The demo's computation on distributed, taking turns with ours."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from statistics import median
from time import perf_counter
from typing import Any

import click
import dask

from dask_serverless.command.demo import computation

ROUNDS = 3
FIRST_SEED = 1000


def compare_with_distributed(serverless: Any, size: str, containers: int) -> bool:
    """Print seconds and ratios; whether both always computed the same."""
    if find_spec("distributed") is None:
        click.echo("Nothing to compare with: distributed is not installed. To get it:")
        click.echo("  pip install 'dask[distributed]'")
        return True
    import distributed

    workers = f"{containers} single-threaded worker process{'es' if containers > 1 else ''}"
    click.echo(f"Against distributed {distributed.__version__} with {workers},")
    click.echo(f"warm, in turns, new data each time, median of {ROUNDS}, seconds:\n")
    with cluster(containers) as client:
        seconds, wrong = measured({"serverless": serverless, "distributed": client}, size)
    if wrong:
        click.echo(f"\nWRONG RESULT ({', '.join(wrong)}): the two differ.", err=True)
        return False
    click.echo("\r" * sys.stdout.isatty() + table(seconds))
    return True


@contextmanager
def cluster(workers: int) -> Iterator[Any]:
    """What a Serverless object has: processes with one thread each, that leave Ctrl-C to us."""
    from distributed import Client, LocalCluster

    logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # what Ctrl-C cuts short is no news
    with (
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            dashboard_address=":0",  # None would still ask for the port of everybody
            silence_logs="ERROR",
        ) as local,
        Client(local, set_as_default=False) as client,
    ):
        client.wait_for_workers(workers)
        client.run(ignore_interrupts)
        yield client


def ignore_interrupts() -> None:
    """Ctrl-C in a terminal reaches every process: without this each worker shows a traceback."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def measured(
    schedulers: dict[str, Any], size: str
) -> tuple[dict[str, dict[str, float]], list[str]]:
    """Part → scheduler → median seconds; and the parts whose results differed."""
    samples: dict[str, dict[str, list[float]]] = {}
    wrong: set[str] = set()
    for number in range(-1, ROUNDS):
        scale = computation.SIZES[size if number >= 0 else "small"]  # the first round warms up
        say_round(number)
        results: dict[str, dict[str, Any]] = {name: {} for name in schedulers}
        order = list(schedulers.items())
        if number % 2:  # nobody always follows the same other one
            order.reverse()
        for name, scheduler in order:
            parts = computation.parts(scale, FIRST_SEED + number)
            for part, collection in parts.items():
                results[name][part], seconds = timed(collection, scheduler)
                if number >= 0:
                    samples.setdefault(part, {}).setdefault(name, []).append(seconds)
        wrong.update(computation.differing(results["distributed"], results["serverless"]))
    medians = {p: {n: median(s) for n, s in by.items()} for p, by in samples.items()}
    return medians, sorted(wrong)


def say_round(number: int) -> None:
    """Some sign of life at a terminal, on a line that the table overwrites."""
    if sys.stdout.isatty():
        what = f"round {number + 1} of {ROUNDS}" if number >= 0 else "warming up"
        click.echo(f"\r  {what} ... ", nl=False)


def timed(collection: Any, scheduler: Any) -> tuple[Any, float]:
    begun = perf_counter()
    result = dask.compute(collection, scheduler=scheduler)[0]
    return result, perf_counter() - begun


def table(seconds: dict[str, dict[str, float]]) -> str:
    lines = [f"  {'':<9}{'serverless':>12}{'distributed':>13}{'ratio':>10}"]
    rows = {**seconds, "both": _sum(seconds)} if len(seconds) > 1 else seconds
    for part, by in rows.items():
        ours, theirs = by["serverless"], by["distributed"]
        lines.append(f"  {part:<9}{ours:>12.3f}{theirs:>13.3f}{theirs / ours:>8.1f} x")
    return "\n".join(lines)


def _sum(seconds: dict[str, dict[str, float]]) -> dict[str, float]:
    names = next(iter(seconds.values()))
    return {name: sum(by[name] for by in seconds.values()) for name in names}
