"""A run's numbers for people: what the client reported, or while it goes on, what is known so far."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dask_serverless.dashboard.costs import cost, reported, used
from dask_serverless.dashboard.seen import NEVER
from dask_serverless.dashboard.series import Series

MOST = 999.5  # of a unit, in three digits: more is rounded to a thousand, written 1e+03
UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


@dataclass(frozen=True)
class Numbers:
    """The same as ``last_run`` shows once the run is over."""

    tasks: int
    done_tasks: int
    bundles: int
    done_bundles: int
    containers: int
    cold_starts: int
    warm_starts: int
    bytes_moved: int
    makespan: float
    cost: float  # by the price table
    over: bool
    abandoned: bool
    error: str
    untold: int  # bundles of which no container told


def numbers(series: Series) -> Numbers:
    told = series.over or {}
    accounts = reported(series)
    tasks, bundles = series.structure.tasks, series.structure.bundle_count
    seen, untold = used(series), series.untold
    counted = series.succeeded or series.counted is not None
    return Numbers(
        tasks=tasks,
        done_tasks=tasks if series.succeeded else series.done_tasks,
        bundles=bundles,
        done_bundles=series.done_bundles + (untold if counted else 0),
        containers=len(accounts.get("containers", seen)),
        cold_starts=accounts.get("cold_starts", sum(c.cold for c in seen)),
        warm_starts=accounts.get("warm_starts", sum(not c.cold for c in seen)),
        bytes_moved=accounts.get("bytes_moved", series.told_bytes),
        makespan=told.get("makespan_seconds", series.latest),
        cost=cost(series),
        over=series.over_at < NEVER,
        abandoned=series.abandoned,
        error=str(told.get("error", "")),
        untold=untold,
    )


def in_bytes(number: float) -> str:
    for unit in UNITS:
        if abs(number) < MOST:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.3g} {unit}"
        number /= 1024
    return f"{1024 * number:,.0f} {UNITS[-1]}"


def in_seconds(seconds: float) -> str:
    if seconds == NEVER:
        return ""
    if abs(seconds) < MOST * 1e-6:
        return f"{seconds * 1e6:.0f} µs"
    if abs(seconds) < MOST * 1e-3:
        return f"{seconds * 1e3:.3g} ms"
    return f"{seconds:.3f} s" if seconds < 100 else f"{seconds:.0f} s"


def signed(number: float, shown: Callable[[float], str] = in_seconds) -> str:
    """A difference."""
    return ("+" if number >= 0 else "−") + shown(abs(number))
