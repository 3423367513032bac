"""One performance of the demo: from the first line to the last."""

from __future__ import annotations

import io
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from time import perf_counter
from typing import Any

import click
import dask
from dask.diagnostics import ProgressBar

from dask_serverless.backends.cores import cores
from dask_serverless.client.report import RunReport
from dask_serverless.command.demo import computation
from dask_serverless.command.demo.comparison import compare_with_distributed
from dask_serverless.command.demo.where import where_the_time_went
from dask_serverless.config import Settings
from dask_serverless.serverless import Serverless
from dask_serverless.store.address import parse
from dask_serverless.store.connect import is_cluster

LEAST_CONTAINERS = 2  # with one there is nothing to coordinate
SEED = 1
CHECK_SECONDS = 2.0  # a store that was named answers at once, or its name is wrong


def perform(*, size: str, containers: int | None, store: str | None, compare: bool) -> bool:
    """Show everything; whether all results were right."""
    settings = Settings.gather(**({"store": store} if store else {}))
    count = containers or settings.containers or max(LEAST_CONTAINERS, cores())
    if settings.store:
        is_cluster(settings.store, CHECK_SECONDS)
    told = {"containers": count, "store": settings.store}
    with dask.config.set({"dataframe.shuffle.method": "tasks"}):
        begun = perf_counter()
        with Serverless(**told) as scheduler:
            introduce(size, count, settings)
            right = first_run(scheduler, size, begun)
            if right and compare:
                right = compare_with_distributed(scheduler, size, count)
    return right


def introduce(size: str, containers: int, settings: Settings) -> None:
    click.echo(
        f"dask-serverless {version('dask-serverless')}, Dask {dask.__version__}, "
        f"Python {platform.python_version()}"
    )
    where = parse(settings.store).shown if settings.store else "a private server"
    click.echo(f"{containers} containers on {cores()} cores; store: {where}; size: {size}\n")


def first_run(scheduler: Serverless, size: str, begun: float) -> bool:
    """All parts, with nothing warmed up; whether the results are right."""
    parts = computation.parts(computation.SIZES[size], SEED)
    texts = computation.described(computation.SIZES[size])
    found: dict[str, Any] = {}
    reports: dict[str, RunReport] = {}
    for name, collection in parts.items():
        click.echo(f"{name.title()}: {texts[name]}")
        with progress():
            (found[name],) = dask.compute(collection, scheduler=scheduler)
        assert scheduler.last_run is not None
        reports[name] = scheduler.last_run
    if lacking := computation.missing():
        click.echo(f"Dataframe: left out, as {' and '.join(lacking)} is missing. To get it:")
        click.echo("  pip install 'dask[dataframe]'")
    click.echo(f"{perf_counter() - begun:.2f} s from the start, with nothing warmed up.\n")
    click.echo(where_the_time_went(reports))
    expected = {name: dask.compute(each, scheduler="threads")[0] for name, each in parts.items()}
    return agree(expected, found)


def agree(expected: dict[str, Any], found: dict[str, Any]) -> bool:
    """Whether Dask itself computes the same, and say so."""
    wrong = computation.differing(expected, found)
    if wrong:
        click.echo(f"WRONG RESULT ({', '.join(wrong)}): Dask's threads give another.", err=True)
    else:
        click.echo("Results checked: Dask's own threaded scheduler computes the same.\n")
    return not wrong


@contextmanager
def progress() -> Iterator[None]:
    """Dask's progress bar; a file gets only its last state."""
    if sys.stdout.isatty():
        with ProgressBar():
            yield
        return
    drawn = io.StringIO()
    with ProgressBar(out=drawn):
        yield
    click.echo(drawn.getvalue().rstrip("\n").rpartition("\r")[2])
