"""Logs: what the tasks of a run print, line by line, with container and key."""

from __future__ import annotations

from html import escape

from bokeh.layouts import column

from dask_serverless.dashboard.groups import key_of, shortened
from dask_serverless.dashboard.lines import MOST_LINES, Line
from dask_serverless.dashboard.pages.page import Page
from dask_serverless.dashboard.reader import Reader
from dask_serverless.dashboard.series import Series
from dask_serverless.dashboard.tables import block, table
from dask_serverless.dashboard.view import Moment, View
from dask_serverless.worker.said import ERR

MOST_SHOWN = 500  # the last ones: a browser has to draw them all
MOST_CHARACTERS = 1000  # of a line
NOTHING = (
    '<div class="nothing"><h2>No lines</h2><p>What tasks print comes here with '
    "Serverless(logs=True), or of some computes with s.options(logs=True).</p></div>"
)


class Logs(Page):
    path = "logs"
    title = "Logs"

    def __init__(self, view: View | None, reader: Reader | None) -> None:
        assert view is not None
        self.view = view
        self.seen = -1  # lines, when they were drawn
        self.text = block("logs")
        self.root = column(self.text, sizing_mode="stretch_width")

    def update(self, moment: Moment | None) -> None:
        with self.view.lock:
            series = self.view.series
            if self.seen == series.lines.numbered:
                return
            self.seen = series.lines.numbered
            rows = [self.row(line) for line in list(series.lines.kept)[-MOST_SHOWN:]]
            left_out = omitted(series, len(rows))
        lines = table(("at ", "container", "task", "stream", "line"), rows)
        self.text.text = left_out + lines if rows or left_out else NOTHING

    def row(self, line: Line) -> tuple[str, str, str, str, str]:
        structure = self.view.structure
        at = f"{max(0.0, self.view.series.since(line.at)):.3f} s" if line.at else ""
        stream = line.stream if line.stream == ERR else ""
        text = shortened(line.text, MOST_CHARACTERS)
        return at, line.container, key_of(structure, line.task), stream, text


def omitted(series: Series, shown: int) -> str:
    """What there was, and is not here."""
    lines, told = series.lines, []
    if lines.count > shown:
        told.append(
            f"the last {shown:,} of {lines.count:,} lines (at most {MOST_LINES:,} are kept)"
        )
    if lines.dropped:
        told.append(f"{lines.dropped:,} lines were dropped on their way")
    return f'<p class="quiet">{escape("; ".join(told))}</p>' if told else ""
