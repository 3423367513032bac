"""The run as boxes: one for each key prefix, with a bar of its tasks' states, and their edges."""

from __future__ import annotations

from typing import Any

import numpy as np
from bokeh.layouts import column
from bokeh.models import ColumnDataSource, HoverTool, Range1d

from dask_serverless.dashboard.brief import brief
from dask_serverless.dashboard.groups import Groups
from dask_serverless.dashboard.states import COLOURS, NAMES, State
from dask_serverless.dashboard.style import FONT, LINE, plain, without_axes
from dask_serverless.dashboard.view import Moment, View

WIDTH, HEIGHT = 0.74, 0.66  # of a box; columns and rows are one apart
BAR = (-0.25, -0.1)  # below and above: where the bar is in its box
INSET = 0.05
COLUMN_PIXELS, ROW_PIXELS = 190, 84
BOX, INK = "#f1f3f6", "#374151"  # on any background
LEAST_PIXELS = 170
MOST_ROWS = 10  # in one column: the others of a level stand in further ones
CHARACTERS = 15  # of a name that fit into a box


class Overview:
    """Never blank, whatever the size of the run: there are at most 200 boxes."""

    def __init__(self, view: View) -> None:
        self.groups = groups = view.groups
        self.x, self.y = places(groups)
        self.boxes = ColumnDataSource(self.fixed())
        self.bars = ColumnDataSource(self.bars_of(np.zeros((groups.count, len(State)), int)))
        self.made = self.figure()
        self.root = column(self.made, sizing_mode="stretch_width", styles={"overflow-x": "auto"})

    def fixed(self) -> dict[str, Any]:
        groups = self.groups
        return {
            "x": self.x, "y": self.y, "left": self.x - WIDTH / 2 + INSET,
            "right": self.x + WIDTH / 2 - INSET, "above": self.y + 0.22, "under": self.y + 0.04,
            "name": brief(groups.names, CHARACTERS),
            "full": list(groups.names),
            "told": [""] * groups.count,
            "line": [LINE] * groups.count,
            **{name: [0] * groups.count for name in NAMES},
        }  # fmt: skip

    def figure(self) -> Any:
        columns, rows = self.x.max(initial=0) + 1, np.ptp(self.y) + 1 if len(self.y) else 1
        height = max(int(ROW_PIXELS * rows + 40), LEAST_PIXELS)
        made = plain(
            height=height, min_width=int(COLUMN_PIXELS * min(columns, 40)), name="overview",
            x_range=Range1d(-0.55, max(columns, 4) - 0.45),
            y_range=Range1d(self.y.min(initial=0) - 0.6, self.y.max(initial=0) + 0.6),
            tools="pan,xwheel_zoom,reset", title="By key prefix",
        )  # fmt: skip
        without_axes(made)
        made.bezier(source=self.edges(), line_color=LINE, line_alpha=0.55, line_width="width",
            x0="x0", y0="y0", x1="x1", y1="y1", cx0="cx", cy0="y0", cx1="cx", cy1="y1")  # fmt: skip
        made.rect("x", "y", WIDTH, HEIGHT, source=self.boxes, fill_color=BOX, line_color="line",
            line_width=1.5, border_radius=6, name="boxes")  # fmt: skip
        made.quad("left", "right", "top", "bottom", source=self.bars, fill_color="colour",
            line_color=None, name="bars")  # fmt: skip
        text = {"source": self.boxes, "text_color": INK, "text_font": {"value": FONT}}
        made.text("left", "above", "name", **text, text_font_size="12px", text_font_style="bold",
            text_baseline="middle")  # fmt: skip
        made.text("left", "under", "told", **text, text_font_size="11px", text_baseline="middle")
        made.add_tools(HoverTool(renderers=made.select(name="boxes"), tooltips=tips()))
        return made

    def edges(self) -> ColumnDataSource:
        groups = self.groups
        x0, x1 = self.x[groups.sources] + WIDTH / 2, self.x[groups.targets] - WIDTH / 2
        width = 1 + np.log10(np.maximum(groups.counts, 1))
        return ColumnDataSource({
            "x0": x0, "x1": x1, "cx": (x0 + x1) / 2, "y0": self.y[groups.sources],
            "y1": self.y[groups.targets], "width": width,
        })  # fmt: skip

    def update(self, moment: Moment) -> None:
        counts = moment.counts
        sizes = counts.sum(axis=1)
        done = counts[:, [State.DONE, State.KEPT, State.RELEASED]].sum(axis=1)
        told = [f"{d:,} of {n:,}" for d, n in zip(done.tolist(), sizes.tolist(), strict=True)]
        self.boxes.patch({
            "told": [(slice(None), told)],
            "line": [(slice(None), [self.outline(row) for row in counts])],
            **{name: [(slice(None), counts[:, i].tolist())] for i, name in enumerate(NAMES)},
        })  # fmt: skip
        self.bars.data = self.bars_of(counts)

    def outline(self, counts: Any) -> str:
        for state in (State.FAILED, State.RETRIED, State.RUNNING):
            if counts[state]:
                return COLOURS[state]
        return LINE

    def bars_of(self, counts: Any) -> dict[str, Any]:
        """Quads side by side; those of states that no task has are left out."""
        width = WIDTH - 2 * INSET
        order = [State.FAILED, State.RETRIED, State.RELEASED, State.DONE, State.KEPT, State.RUNNING,
            State.READY, State.WAITING]  # fmt: skip
        shares = counts[:, order] / np.maximum(counts.sum(axis=1, keepdims=True), 1) * width
        rights = np.cumsum(shares, axis=1)
        group, place = np.nonzero(shares)
        start = self.x[group] - WIDTH / 2 + INSET
        return {
            "left": start + (rights - shares)[group, place],
            "right": start + rights[group, place],
            "bottom": self.y[group] + BAR[0],
            "top": self.y[group] + BAR[1],
            "colour": [COLOURS[order[p]] for p in place.tolist()],
        }


def places(groups: Groups) -> tuple[Any, Any]:
    """Columns by level, and within one from top to bottom, around the middle."""
    levels = groups.levels
    x, y, column = np.zeros(groups.count), np.zeros(groups.count), 0
    for level in range(int(levels.max(initial=-1)) + 1):
        mine = np.flatnonzero(levels == level)
        for first in range(0, len(mine), MOST_ROWS):
            part = mine[first : first + MOST_ROWS]
            x[part], y[part] = column, (len(part) - 1) / 2 - np.arange(len(part))
            column += 1
    return x, y


def tips() -> str:
    rows = "".join(
        f'<tr><td style="padding-right:8px"><span style="color:{colour}">■</span> {name}</td>'
        f"<td style='text-align:right'>@{{{name}}}</td></tr>"
        for name, colour in zip(NAMES, COLOURS, strict=True)
    )
    return f'<div style="font:12px sans-serif"><b>@full</b><table>{rows}</table></div>'
