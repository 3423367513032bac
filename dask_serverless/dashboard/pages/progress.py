"""Progress: how far each key prefix is, and what is left."""

from __future__ import annotations

from typing import Any

import numpy as np
from bokeh.layouts import column
from bokeh.models import ColumnDataSource, HoverTool, Range1d

from dask_serverless.dashboard.brief import brief
from dask_serverless.dashboard.pages.graph import legend
from dask_serverless.dashboard.pages.overview import tips
from dask_serverless.dashboard.pages.page import Page
from dask_serverless.dashboard.reader import Reader
from dask_serverless.dashboard.states import COLOURS, NAMES, State
from dask_serverless.dashboard.style import FONT, TEXT, plain
from dask_serverless.dashboard.view import Moment, View

ROW_PIXELS, LEAST_PIXELS = 26, 120
ORDER = [State.FAILED, State.RETRIED, State.RELEASED, State.DONE, State.KEPT, State.RUNNING,
    State.READY, State.WAITING]  # fmt: skip
CHARACTERS = 32


class Progress(Page):
    path = "progress"
    title = "Progress"
    replayed = True

    def __init__(self, view: View | None, reader: Reader | None) -> None:
        assert view is not None
        self.groups = view.groups
        count = self.groups.count
        self.source = ColumnDataSource(self.columns(np.zeros((count, len(State)), dtype=int)))
        self.root = column(legend(), self.figure(), sizing_mode="stretch_width")

    def figure(self) -> Any:
        count = self.groups.count
        made = plain(
            height=max(LEAST_PIXELS, ROW_PIXELS * count + 60), name="progress",
            x_range=Range1d(0, 1.18), y_range=Range1d(count - 0.4, -0.6),
            toolbar_location=None,
        )  # fmt: skip
        made.xaxis.visible = made.grid.visible = False
        made.yaxis.ticker = list(range(count))
        made.yaxis.major_label_overrides = dict(enumerate(brief(self.groups.names, CHARACTERS)))
        made.yaxis.axis_line_color = made.yaxis.major_tick_line_color = None
        names = [NAMES[state] for state in ORDER]
        made.hbar_stack([f"{name} share" for name in names], y="y", height=0.62, source=self.source,
            fill_color=[COLOURS[state] for state in ORDER], line_color=None)  # fmt: skip
        made.text(1.01, "y", "told", source=self.source, text_color=TEXT, text_font={"value": FONT},
            text_font_size="12px", text_baseline="middle")  # fmt: skip
        made.add_tools(HoverTool(tooltips=tips()))
        return made

    def columns(self, counts: Any) -> dict[str, Any]:
        totals = counts.sum(axis=1)
        done = counts[:, [State.DONE, State.KEPT, State.RELEASED]].sum(axis=1)
        shares = counts / np.maximum(totals, 1)[:, None]
        told = [f"{d:,} of {n:,}" for d, n in zip(done.tolist(), totals.tolist(), strict=True)]
        return {
            "y": np.arange(len(totals)), "told": told, "full": list(self.groups.names),
            **{name: counts[:, i] for i, name in enumerate(NAMES)},
            **{f"{name} share": shares[:, i] for i, name in enumerate(NAMES)},
        }  # fmt: skip

    def update(self, moment: Moment | None) -> None:
        assert moment is not None
        self.source.data = self.columns(moment.counts)
