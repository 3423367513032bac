"""What ``dask serverless history`` shows: what predictions rest on; and forgetting it."""

from __future__ import annotations

import difflib
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, replace

import click

from dask_serverless.client.accounting import Account
from dask_serverless.config import Settings
from dask_serverless.history.archive import Archive
from dask_serverless.history.description import Row, matching, names_of, rows_of
from dask_serverless.history.entry import FUNCTION, PAID, size_of
from dask_serverless.history.opening import archive_of
from dask_serverless.history.tables import NAME_WIDTH, Table, shortened, tables
from planners.cost.platform import Prices

WIDTHS = (8, 8, 8, 8, 11, 11)  # of the other columns, with a space before each: 80 in all


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
        click.echo("None yet: they come with runs.")
    for table in tables(rows, time.time()):
        print_table(table)
    print_paid([row for row in rows if row.kind == PAID])


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
            what = "calls, timed" if row.kind == FUNCTION else f"times {row.kind}"
            click.echo(f"Forgot {row.name} ({row.calls} {what}).")
    archive.close()


def found(rows: Sequence[Row], pattern: str) -> list[Row]:
    """The rows that a pattern means; an error where it means none."""
    if those := matching(rows, pattern):
        return those
    known = {name for row in rows if row.kind == FUNCTION for name in names_of(row.name)}
    close = difflib.get_close_matches(pattern, known, 1)
    guess = f" Did you mean {close[0]!r}?" if close else " Without a name, all are shown."
    raise click.ClickException(f"No measured function is called {pattern!r}.{guess}")


def print_paid(rows: Sequence[Row]) -> None:
    """All starts and seconds that were paid for, by the price table in force."""
    if not rows:
        return
    prices = Prices(**(Settings.gather().prices or {}))
    accounts = [
        Account(size_of(row.name), row.calls, seconds=row.calls * row.mean_seconds) for row in rows
    ]
    gb_seconds = sum(each.gb_seconds for each in accounts)
    cost = sum(each.cost(prices) for each in accounts)
    click.echo(f"\nPaid for {gb_seconds:.3f} GB s, {cost:.7f} by the price table")


def print_table(table: Table) -> None:
    click.echo()
    for name, *rest in (table.columns, *table.rows):
        aligned = [f" {cell:>{width - 1}}" for cell, width in zip(rest, WIDTHS, strict=True)]
        click.echo(f"{shortened(name):<{NAME_WIDTH}}" + "".join(aligned))
