"""Reporting: a with block whose runs are written down in a file when it ends."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from dask_serverless.client.audience import Audience
from dask_serverless.coordination import watched
from dask_serverless.dashboard.measurements import Measured, Measurements
from dask_serverless.dashboard.process import require
from dask_serverless.dashboard.reader import read_whole
from dask_serverless.dashboard.series import Series
from dask_serverless.dashboard.view import View
from dask_serverless.errors import ReportUnwritten, ServerlessError, SettingsError, StoreError
from dask_serverless.history.opening import open_history
from dask_serverless.store.connect import open_link
from dask_serverless.store.link import Link

if TYPE_CHECKING:
    from dask_serverless.config import Settings

LATE_SECONDS = 2.0  # containers that tell of many bundles at once may still do so
AGAIN_SECONDS = 0.05
MOST_RUNS = 20  # in one file; the latest ones


@dataclass(eq=False)
class Reporting:
    """What its runs have left to be looked at is in their stores."""

    runs: list[tuple[str, str]] = field(default_factory=list)  # URL of the store, run

    def note(self, store: str, run: str) -> None:
        self.runs.append((store, run))


@contextmanager
def reported(path: Path, audience: Audience, settings: Settings) -> Iterator[None]:
    """While it is open, it is told of each run."""
    require("a report")
    check(path)
    reporting = Reporting()
    audience.reports.append(reporting)
    try:
        yield
    except BaseException as error:
        try:
            finish(path, reporting, audience, settings)
        except ReportUnwritten as problem:  # what went wrong in the block is what counts
            error.add_note(str(problem))
        raise
    finish(path, reporting, audience, settings)


def finish(path: Path, reporting: Reporting, audience: Audience, settings: Settings) -> None:
    audience.reports.remove(reporting)
    others = audience.dashboard is not None or audience.others or bool(audience.reports)
    write_down(path, reporting, others, measured_by(settings))


def check(path: Path) -> None:
    """Before anything is computed that could not be written down."""
    if path.is_dir() or not os.access(path.parent, os.W_OK):
        raise SettingsError("report(...)", f"is {str(path)!r}, which cannot be written.")


def measured_by(settings: Settings) -> Measured:
    """What the history holds now, with what the block's runs have taught it."""
    if settings.history:
        open_history(settings).save()
    measurements = Measurements(lambda: None)
    measurements.follow(settings.history, settings.store)
    return measurements.read()


def write_down(path: Path, reporting: Reporting, keep: bool, measured: Measured) -> None:
    from dask_serverless.dashboard.report import write

    views: list[View] = []
    problems: list[str] = []
    if len(reporting.runs) > MOST_RUNS:
        problems.append(f"{len(reporting.runs)} runs; these are the last {MOST_RUNS} of them.")
    lost: set[str] = set()  # stores; to wait for one once is enough
    for store, run in reporting.runs:
        if store in lost:
            problems.append(f"Run {run}: its store does not answer either.")
            continue
        try:
            with open_link(store) as link:
                if (store, run) in reporting.runs[-MOST_RUNS:]:
                    views.append(complete(link, run))
                if not keep:
                    link.call(("UNLINK", *watched.keys(run)))
        except ServerlessError as error:
            problems.append(f"Run {run}: {error}")
            lost.update([store] if isinstance(error, StoreError) else [])
    try:
        write(path, views, problems, measured)
    except OSError as error:  # a full disk
        raise ReportUnwritten(str(path), error.strerror or str(error)) from None


def complete(link: Link, run: str) -> View:
    """Read again as long as not all that the client knows to be done is told of."""
    deadline = time.monotonic() + LATE_SECONDS
    while True:
        view = read_whole(link, run)
        series = view.series
        if told_of(series) or time.monotonic() > deadline:
            return view
        time.sleep(AGAIN_SECONDS)


def told_of(series: Series) -> bool:
    """Also that a run was interrupted; nobody knows then how much of it was done."""
    if series.succeeded or series.counted is not None:
        return not series.untold
    return series.over is not None or series.done_bundles == series.structure.bundle_count
