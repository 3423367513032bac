"""Runs: those that can be looked at, the latest first."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import islice

from bokeh.layouts import column
from bokeh.layouts import row as beside
from bokeh.models import Button, TextInput

from dask_serverless.dashboard.costs import shown as shown_cost
from dask_serverless.dashboard.groups import shortened
from dask_serverless.dashboard.listing import Listed
from dask_serverless.dashboard.numbers import in_seconds
from dask_serverless.dashboard.pages.page import Page
from dask_serverless.dashboard.reader import Reader
from dask_serverless.dashboard.style import widget_sheet
from dask_serverless.dashboard.tables import Chip, Link, block, table
from dask_serverless.dashboard.view import Moment, View

ROWS = 50  # of a page
MOST_CHARACTERS = 80  # of an error


class Runs(Page):
    path = "runs"
    title = "Runs"
    needs_run = of_a_run = False

    def __init__(self, view: View | None, reader: Reader | None) -> None:
        assert reader is not None
        self.reader = reader
        self.wanted = TextInput(
            placeholder="run, result, planner, host, state, error or date", width=330, name="wanted",
            stylesheets=[widget_sheet()],
        )  # fmt: skip
        self.wanted.on_change("value_input", lambda attr, old, new: self.turn_to(0))
        self.later, self.earlier = turning("later", self, -ROWS), turning("earlier", self, ROWS)
        self.first = 0  # of those that are shown
        self.table = block("runs")
        controls = beside(self.wanted, self.later, self.earlier)
        self.root = column(controls, self.table, sizing_mode="stretch_width")

    def turn_to(self, first: int) -> None:
        self.first = first
        self.update(None)

    def update(self, moment: Moment | None) -> None:
        listed = list(self.reader.listing.runs.values())  # at once: a thread adds to them meanwhile
        runs = [run for run in listed if self.matches(run)] if self.wanted.value_input else listed
        self.first = max(0, min(self.first, (len(runs) - 1) // ROWS * ROWS))
        shown = list(islice(reversed(runs), self.first, self.first + ROWS))
        self.later.disabled = self.first == 0
        self.earlier.disabled = self.first + len(shown) == len(runs)
        self.later.visible = self.earlier.visible = len(runs) > ROWS
        columns = (
            "run", "submitted", "results", "state", "makespan ", "tasks ", "bundles ", "planner",
            "cost ", "host",
        )  # fmt: skip
        empty = "none of them" if listed else "no run yet"
        note = place(self.first, shown, len(runs)) + dropped(self.reader.listing.dropped)
        self.table.text = table(columns, map(row, shown), empty) + note

    def matches(self, run: Listed) -> bool:
        return self.wanted.value_input in (
            f"{run.run} {run.results} {run.planner} {run.host} {run.state} {run.error} {when(run)}"
        )


def turning(label: str, page: Runs, step: int) -> Button:
    made = Button(label=label, width=80, name=label, stylesheets=[widget_sheet()])
    made.on_click(lambda: page.turn_to(page.first + step))
    return made


def place(first: int, shown: Sequence[Listed], count: int) -> str:
    if len(shown) == count:
        return ""
    return f'<p class="quiet">{first + 1:,} to {first + len(shown):,} of {count:,} runs</p>'


def dropped(runs: int) -> str:
    if not runs:
        return ""
    return f'<p class="quiet">{runs:,} went early: what runs leave to be looked at is bounded</p>'


def row(run: Listed) -> tuple[object, ...]:
    link = Link.to(f"graph?run={run.run}" if run.run.isalnum() else "runs", run.run)
    state = Chip.of(run.state, shortened(run.error, MOST_CHARACTERS))
    took = in_seconds(run.seconds) if run.seconds else ""
    results = shortened(run.results, MOST_CHARACTERS)
    cost = shown_cost(run.cost) if run.cost else ""
    return (
        link, when(run), results, state, took, run.tasks, run.bundles, run.planner, cost, run.host,
    )  # fmt: skip


def when(run: Listed) -> str:
    return datetime.fromtimestamp(run.submitted).strftime("%Y-%m-%d %H:%M:%S")
