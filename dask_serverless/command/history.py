"""What ``dask serverless history`` shows: what predictions rest on; and forgetting it."""

from __future__ import annotations

import difflib
import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace

import click
from dask.utils import format_bytes

from dask_serverless.config import Settings
from dask_serverless.history.archive import Archive
from dask_serverless.history.description import Row, matching, names_of, rows_of
from dask_serverless.history.entry import FUNCTION, PUBLISH, START, TRANSFER
from dask_serverless.history.opening import archive_of

NAME_WIDTH = 28  # characters of a name: its end tells more than its beginning
WIDTHS = (7, 8, 9, 8, 10, 10)  # of the other columns: 80 in all
TITLES = {  # kind → what stands above its names, and above its sizes
    FUNCTION: ("function", "output"),
    TRANSFER: ("transfer", "size"),
    START: ("start", ""),
    PUBLISH: ("publish", ""),
}


def archive_for(store: str | None) -> Archive:
    """Where the history of these settings is, or would be: a script may have turned it on."""
    settings = Settings.gather(**({"store": store} if store else {}))
    return archive_of(replace(settings, history=settings.history or True))


def show(store: str | None, pattern: str | None, as_json: bool) -> None:
    archive = archive_for(store)
    rows = rows_of(archive.load())
    archive.close()
    if pattern is not None:
        rows = found(rows, pattern)
    if as_json:
        told = [{k: v for k, v in asdict(row).items() if k != "key"} for row in rows]
        click.echo(json.dumps({"where": archive.shown, "entries": told}, indent=2))
        return
    click.echo(f"Measurements in {archive.shown}")
    if not rows:
        click.echo("None yet: they come with runs of Serverless(history=True).")
    for kind in TITLES:
        if those := [row for row in rows if row.kind == kind]:
            print_table(kind, those, time.time())


def forget(store: str | None, pattern: str | None) -> None:
    """Without a pattern everything, also what cannot be read."""
    archive = archive_for(store)
    if pattern is None:
        archive.forget(None)
        click.echo(f"Forgot everything in {archive.shown}.")
    else:
        rows = found(rows_of(archive.load()), pattern)
        archive.forget([row.key for row in rows])
        for row in rows:
            click.echo(f"Forgot {row.name} ({row.calls} calls).")
    archive.close()


def found(rows: Sequence[Row], pattern: str) -> list[Row]:
    """The rows that a pattern means; an error where it means none."""
    if those := matching(rows, pattern):
        return those
    known = {name for row in rows if row.kind == FUNCTION for name in names_of(row.name)}
    close = difflib.get_close_matches(pattern, known, 1)
    guess = f" Did you mean {close[0]!r}?" if close else " Without a name, all are shown."
    raise click.ClickException(f"No measured function is called {pattern!r}.{guess}")


def print_table(kind: str, rows: Iterable[Row], now: float) -> None:
    name, size = TITLES[kind]
    click.echo()
    print_line(name, "calls", "samples", "mean", "p90", size, "last seen")
    for row in rows:
        print_line(
            shortened(row.name),
            str(row.calls),
            str(row.samples),
            duration(row.mean_seconds),
            duration(row.p90_seconds),
            format_bytes(int(row.output_bytes)) if size else "",
            ago(now - row.seen),
        )


def print_line(name: str, *cells: str) -> None:
    aligned = [f"{cell:>{width}}" for cell, width in zip(cells, WIDTHS, strict=True)]
    click.echo(f"{name:<{NAME_WIDTH}}" + "".join(aligned))


def shortened(name: str) -> str:
    room = NAME_WIDTH - 1
    return name if len(name) <= room else ".." + name[-(room - 2) :]


def duration(seconds: float) -> str:
    if seconds >= 100:
        return f"{seconds:.0f} s"
    for unit, factor in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= factor:
            return f"{seconds / factor:.3g} {unit}"
    return f"{seconds * 1e6:.3g} us"


def ago(seconds: float) -> str:
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{int(seconds // length)} {unit}"
    return "now" if seconds < 1 else f"{int(seconds)} s"
