"""The data plane: what went through the store, and what did not have to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from bokeh.layouts import column
from bokeh.models import ColumnDataSource, HoverTool, Range1d

from dask_serverless.dashboard.brief import brief
from dask_serverless.dashboard.details import function_of
from dask_serverless.dashboard.groups import key_of
from dask_serverless.dashboard.numbers import in_bytes, in_seconds, numbers
from dask_serverless.dashboard.pages.page import Page
from dask_serverless.dashboard.pages.progress import CHARACTERS
from dask_serverless.dashboard.reader import Reader
from dask_serverless.dashboard.style import BAR, in_bytes_along, plain
from dask_serverless.dashboard.tables import block, table
from dask_serverless.dashboard.view import Moment, View

LARGEST = 25
MOST_BARS = 20
ROW_PIXELS = 26


class DataPlane(Page):
    path = "data"
    title = "Data plane"

    def __init__(self, view: View | None, reader: Reader | None) -> None:
        assert view is not None
        self.view = view
        self.source = ColumnDataSource({"y": [], "bytes": [], "name": [], "told": []})
        self.summary, self.table = block("moved"), block("largest")
        self.figure = self.made()
        self.root = column(self.summary, self.figure, self.table, sizing_mode="stretch_width")

    def made(self) -> Any:
        made = plain(height=120, name="stored", title="Stored bytes by key prefix",
            y_range=Range1d(1, 0), toolbar_location=None)  # fmt: skip
        made.ygrid.visible = False
        made.x_range.start = 0
        in_bytes_along(made.xaxis[0])
        made.hbar(
            "y", right="bytes", height=0.62, source=self.source, fill_color=BAR, line_color=None
        )
        made.add_tools(HoverTool(tooltips='<div style="font:12px sans-serif">@name: @told</div>'))
        return made

    def update(self, moment: Moment | None) -> None:
        with self.view.lock:
            nbytes = self.view.series.nbytes.copy()
            told = numbers(self.view.series)
            calls = sum(c.calls for c in self.view.series.containers.values())
            over = self.view.series.over or {}
        stored = np.flatnonzero(nbytes >= 0)
        done, edges = told.done_tasks, len(self.view.structure.inputs)
        crossing = len(self.view.series.edges.between_bundles[0])
        facts = [
            ("outputs stored", f"{len(stored):,} of {done:,} made"),
            ("bytes stored", in_bytes(told.bytes_moved)),
            ("bytes kept in memory", in_bytes(over["bytes_kept"]) if "bytes_kept" in over else ""),
            ("calls of containers", f"{calls:,}"),
            ("of the client", f"{over['client_calls']:,}" if "client_calls" in over else ""),
            ("edges in the graph", f"{edges:,}"),
            ("edges between bundles", f"{crossing:,}"),
        ]
        facts = [fact for fact in facts if fact[1]]
        self.summary.text = table([name for name, _ in facts], [[value for _, value in facts]])
        self.bars(nbytes, stored)
        self.table.text = (
            "<h3>Largest outputs</h3>"
            + table(
                ("key", "function", "size ", "used by "),
                self.largest(nbytes, stored),
                "none is stored yet",
            )
            + savings(over.get("saved", {}))
        )

    def bars(self, nbytes: Any, stored: Any) -> None:
        groups = self.view.groups
        sums = np.bincount(groups.of[stored], nbytes[stored], groups.count)
        largest = np.argsort(-sums, kind="stable")[:MOST_BARS]
        largest = largest[sums[largest] > 0]
        full = [groups.names[group] for group in largest.tolist()]
        names = brief(full, CHARACTERS)
        self.source.data = {
            "y": np.arange(len(largest)), "bytes": sums[largest],
            "name": full,
            "told": [in_bytes(n) for n in sums[largest].tolist()],
        }  # fmt: skip
        self.figure.update(height=max(120, ROW_PIXELS * len(largest) + 80), visible=bool(names))
        self.figure.y_range.update(start=max(len(names), 1) - 0.4, end=-0.6)
        self.figure.yaxis.ticker = list(range(len(names)))
        self.figure.yaxis.major_label_overrides = dict(enumerate(names))

    def largest(self, nbytes: Any, stored: Any) -> list[tuple[Any, ...]]:
        structure = self.view.structure
        users = self.view.user_counts
        first = stored[np.argsort(-nbytes[stored], kind="stable")[:LARGEST]].tolist()
        return [
            (
                key_of(structure, t),
                function_of(structure.function_names, int(structure.functions[t])),
                in_bytes(int(nbytes[t])), int(users[t]),
            )
            for t in first
        ]  # fmt: skip


def savings(saved: Mapping[str, Sequence[Any]]) -> str:
    """What the run's client told of its optimizations at the end."""
    rows = [
        (name, times, in_seconds(planned), by_what_came(*came))
        for name, (times, planned, *came) in sorted(saved.items())
    ]
    names = ("optimization", "times ", "saved by the plan ", "by what came ")
    return "<h3>What optimizations saved</h3>" + table(names, rows) if rows else ""


def by_what_came(seconds: float | None, assumed: str = "") -> str:
    if seconds is None:
        return ""
    return f"{in_seconds(seconds)} (assumed {assumed})" if assumed else in_seconds(seconds)
