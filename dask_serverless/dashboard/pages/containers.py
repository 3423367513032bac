"""Containers: how each one came up, what it did and used, and how many worked at a time."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from bokeh.layouts import column
from bokeh.models import ColumnDataSource

from dask_serverless.client.accounting import Account
from dask_serverless.dashboard.costs import account, prices_of, reported, shown
from dask_serverless.dashboard.lanes import lanes_of
from dask_serverless.dashboard.moments import stopped
from dask_serverless.dashboard.numbers import in_bytes, in_seconds
from dask_serverless.dashboard.pages.page import Page
from dask_serverless.dashboard.reader import Reader
from dask_serverless.dashboard.seen import NEVER, ContainerSeries
from dask_serverless.dashboard.series import Series
from dask_serverless.dashboard.style import plain, whole_numbers
from dask_serverless.dashboard.tables import block, table
from dask_serverless.dashboard.view import Moment, View

MOST_ROWS = 300
COLUMNS = (
    "container", "size ", "start", "came up in ", "bundles ", "fetching ", "running ", "storing ", "idle ",
    "cpu ", "peak memory ", "stored ", "calls ", "paid for ", "cost so far ", "gone",
)  # fmt: skip


class Containers(Page):
    path = "containers"
    title = "Containers"

    def __init__(self, view: View | None, reader: Reader | None) -> None:
        assert view is not None
        self.view = view
        self.source = ColumnDataSource({"at": [], "working": []})
        self.table = block("containers")
        self.root = column(self.figure(), self.table, sizing_mode="stretch_width")

    def figure(self) -> Any:
        made = plain(height=190, x_axis_label="seconds since the submission", name="working",
            title="Containers with a bundle", toolbar_location=None)  # fmt: skip
        made.y_range.start = made.x_range.start = 0
        made.yaxis.ticker = whole_numbers()
        made.varea_step("at", 0, "working", source=self.source, fill_color="#009e73",
            fill_alpha=0.55, step_mode="after")  # fmt: skip
        return made

    def update(self, moment: Moment | None) -> None:
        with self.view.lock:
            series = self.view.series
            lanes = lanes_of(series)
            going = under_way(series)
            first = list(series.containers.values())[:MOST_ROWS]
            rows = [row(series, c, going.get(c.index, 0.0)) for c in first]
            more = len(series.containers) - len(rows)
        times = np.concatenate([lanes.claimed, lanes.finished])
        steps = np.repeat([1, -1], len(lanes.claimed))
        order = np.argsort(times, kind="stable")
        self.source.data = {"at": times[order], "working": np.cumsum(steps[order])}
        note = f'<p class="quiet">and {more:,} more</p>' if more else ""
        self.table.text = table(COLUMNS, rows) + note


def under_way(series: Series) -> dict[int, float]:
    """Container, by its index → for how long it has been at the bundle that it has now."""
    if not series.goes_on:
        return {}
    bundles = np.flatnonzero((series.claimed < NEVER) & (stopped(series) == NEVER))
    since = np.maximum(series.end - series.claimed[bundles], 0.0)
    return dict(zip(series.container[bundles].tolist(), since.tolist(), strict=True))


class Spent(NamedTuple):
    """What a container did for the run: as the client reported it, once it has."""

    bundles: int
    fetching: float  # seconds
    running: float
    storing: float
    away: float  # of the time that is paid for: with other runs

    @staticmethod
    def of(series: Series, c: ContainerSeries, going: float) -> Spent:
        told = reported(series).get("containers", {}).get(c.name)
        if told is None:
            return Spent(c.bundles, c.fetching, c.running + going, c.storing, c.away)
        away = 0.0 if told.get("before") else c.away  # no visit, nothing paid
        return Spent(int(told["bundles"]), told["fetch"], told["run"], told["store"], away)


def row(series: Series, c: ContainerSeries, going: float) -> tuple[Any, ...]:
    known, paid, spent = c.arrived < NEVER, account(series, c), Spent.of(series, c, going)
    start = "cold" if paid.cold_starts else "warm"
    return (
        c.name, f"{paid.memory_mb:,} MiB" if paid.memory_mb else "no limit",
        start if known or c.name in reported(series).get("containers", {}) else "",
        in_seconds(c.arrived - c.asked) if known else "", spent.bundles, in_seconds(spent.fetching),
        in_seconds(spent.running), in_seconds(spent.storing), idle(c, paid, spent, series.end - c.last if going else 0.0),
        in_seconds(paid.cpu_seconds), in_bytes(paid.peak_bytes), in_bytes(c.stored_bytes), c.calls,
        f"{paid.gb_seconds:.3f} GB s", shown(paid.cost(prices_of(series))), c.gone,
    )  # fmt: skip


def idle(c: ContainerSeries, paid: Account, spent: Spent, since: float) -> str:
    """While it was paid for, and there; what it did for other runs meanwhile is theirs. ``since``: for
    so long it has told of nothing, having a bundle.
    """
    if not spent.bundles:
        return ""  # it may have been busy all the time with one that was not done
    there = paid.seconds + since - spent.away
    return in_seconds(max(0.0, there - spent.fetching - spent.running - spent.storing))
