"""What was measured, as tables for people: the same on the command line and on the dashboard."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from dask.utils import format_bytes

from dask_serverless.history.description import Row
from dask_serverless.history.entry import (
    FUNCTION,
    PAID,
    PICKLED,
    PROCESSOR,
    PUBLISH,
    START,
    TRANSFER,
    UNPICKLED,
)

NAME_WIDTH = 26  # characters of a name: its end tells more than its beginning
TITLES = {  # kind → what stands above its names, and above its sizes
    FUNCTION: ("function", "output"),
    PICKLED: ("pickled", "size"),
    UNPICKLED: ("unpickled", "size"),
    TRANSFER: ("transfer", "size"),
    START: ("start", ""),
    PUBLISH: ("publish", ""),
    PAID: ("container", "peak"),
    PROCESSOR: ("processor", ""),
}


@dataclass(frozen=True)
class Table:
    """All entries of one kind; the first column is the name, which may be long."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Units:
    """How seconds and bytes are put into words; a terminal may know no letters but those of ASCII."""

    seconds: Callable[[float], str]
    nbytes: Callable[[float], str]


def tables(rows: Sequence[Row], now: float, units: Units | None = None) -> Iterator[Table]:
    """Those that are not empty; without other units, as on a terminal. ``timed`` are all calls that
    were measured, of which there may have been more, and samples those that are kept one by one.
    """
    units = units or Units(duration, lambda nbytes: format_bytes(int(nbytes)))
    for kind, (name, size) in TITLES.items():
        if those := [row for row in rows if row.kind == kind]:
            columns = (name, "timed", "samples", "mean", "p90", size, "last seen")
            yield Table(columns, [cells(row, bool(size), now, units) for row in those])


def cells(row: Row, sized: bool, now: float, units: Units) -> tuple[str, ...]:
    return (
        shown(row),
        f"{row.calls:,}",
        f"{row.samples:,}",
        units.seconds(row.mean_seconds),
        units.seconds(row.p90_seconds),
        units.nbytes(row.output_bytes) if sized else "",
        ago(now - row.seen),
    )


def shown(row: Row) -> str:
    """Entries about sizes have always been kept under names that say MB."""
    sized = row.kind in (PAID, PROCESSOR)
    return row.name.replace(" MB", " MiB", 1) if sized else row.name


def shortened(name: str) -> str:
    room = NAME_WIDTH - 1
    return name if len(name) <= room else ".." + name[-(room - 2) :]


def duration(seconds: float) -> str:
    if seconds >= 100:
        return f"{seconds:.0f} s"
    for unit, factor in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= 0.9995 * factor:  # three digits of less would be 1e+03
            return f"{seconds / factor:.3g} {unit}"
    return f"{seconds * 1e6:.3g} us"


def ago(seconds: float) -> str:
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{int(seconds // length)} {unit} ago"
    return "now" if seconds < 1 else f"{int(seconds)} s ago"
