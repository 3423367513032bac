"""History: what predictions rest on, and what came of those for the run at hand."""

from __future__ import annotations

import time
from html import escape

from bokeh.layouts import column

from dask_serverless.dashboard.functions import functions_table
from dask_serverless.dashboard.measurements import Measured
from dask_serverless.dashboard.numbers import in_bytes, in_seconds
from dask_serverless.dashboard.pages.page import Page
from dask_serverless.dashboard.reader import Reader
from dask_serverless.dashboard.tables import block, table
from dask_serverless.dashboard.view import Moment, View
from dask_serverless.history.tables import Units, tables

MOST_ROWS = 200  # of each table
UNITS = Units(in_seconds, in_bytes)  # as on all pages


class HistoryPage(Page):
    path = "history"
    title = "History"
    needs_run = False

    def __init__(self, view: View | None, reader: Reader | None) -> None:
        self.view = view
        self.measurements = reader.measurements if reader is not None else None
        self.functions, self.known = block("functions"), block("known")
        self.root = column(self.functions, self.known, sizing_mode="stretch_width")
        self.version = -1

    def update(self, moment: Moment | None) -> None:
        if self.view is not None:
            with self.view.lock:
                told = functions_table(self.view.series)
            self.functions.text = f"<h3>Predicted and measured</h3>{told}"
        if self.measurements is None:
            return
        self.measurements.refresh()
        if self.version != self.measurements.version:
            self.version = self.measurements.version
            self.tell(self.measurements.latest)

    def tell(self, measured: Measured) -> None:
        self.known.text = known(measured, time.time())


def known(measurements: Measured, now: float) -> str:
    """The tables of ``dask serverless history``."""
    if measurements.trouble:
        return f'<div class="banner">{escape(measurements.trouble)}</div>'
    parts = [f'<p class="quiet">Measurements in {escape(measurements.shown)}</p>']
    for each in tables(measurements.rows, now, UNITS):
        names = [each.columns[0], *(f"{name} " for name in each.columns[1:])]
        parts.append(table(names, each.rows[:MOST_ROWS]))
        if len(each.rows) > MOST_ROWS:
            parts.append(f'<p class="quiet">and {len(each.rows) - MOST_ROWS:,} more</p>')
    if not measurements.rows:
        parts.append("<p>None yet: they come with runs.</p>")
    return "".join(parts)
