"""Runs: those that can be looked at, the latest first."""

from __future__ import annotations

from datetime import datetime

from bokeh.layouts import column
from bokeh.models import TextInput

from dask_serverless.dashboard.groups import shortened
from dask_serverless.dashboard.listing import Listed
from dask_serverless.dashboard.numbers import in_seconds
from dask_serverless.dashboard.pages.page import Page
from dask_serverless.dashboard.reader import Reader
from dask_serverless.dashboard.style import widget_sheet
from dask_serverless.dashboard.tables import Chip, Link, block, table
from dask_serverless.dashboard.view import Moment, View

MOST_ROWS = 200
MOST_CHARACTERS = 80  # of an error


class Runs(Page):
    path = "runs"
    title = "Runs"
    needs_run = of_a_run = False

    def __init__(self, view: View | None, reader: Reader | None) -> None:
        assert reader is not None
        self.reader = reader
        self.wanted = TextInput(
            placeholder="run, host, state, error or date", width=260, name="wanted",
            stylesheets=[widget_sheet()],
        )  # fmt: skip
        self.wanted.on_change("value_input", lambda attr, old, new: self.update(None))
        self.table = block("runs")
        self.root = column(self.wanted, self.table, sizing_mode="stretch_width")

    def update(self, moment: Moment | None) -> None:
        listed = list(self.reader.listing.runs.values())  # at once: a thread adds to them meanwhile
        runs = [run for run in reversed(listed) if self.matches(run)]
        rows = [row(run) for run in runs[:MOST_ROWS]]
        more = len(runs) - len(rows)
        note = f'<p class="quiet">and {more:,} earlier ones</p>' if more > 0 else ""
        note += dropped(self.reader.listing.dropped)
        columns = ("run", "submitted", "state", "makespan ", "tasks ", "bundles ", "host")
        self.table.text = table(columns, rows, "no run yet") + note

    def matches(self, run: Listed) -> bool:
        wanted = self.wanted.value_input or ""
        return wanted in f"{run.run} {run.host} {run.state} {run.error} {when(run)}"


def dropped(runs: int) -> str:
    if not runs:
        return ""
    return f'<p class="quiet">{runs:,} went early: what runs leave to be looked at is bounded</p>'


def row(run: Listed) -> tuple[object, ...]:
    link = Link.to(f"graph?run={run.run}" if run.run.isalnum() else "runs", run.run)
    state = Chip.of(run.state, shortened(run.error, MOST_CHARACTERS))
    took = in_seconds(run.seconds) if run.seconds else ""
    return (link, when(run), state, took, run.tasks, run.bundles, run.host)


def when(run: Listed) -> str:
    return datetime.fromtimestamp(run.submitted).strftime("%Y-%m-%d %H:%M:%S")
