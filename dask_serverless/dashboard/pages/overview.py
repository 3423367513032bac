"""The run as boxes: one for each key prefix, with a bar of its tasks' states, and their edges."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from bokeh.models import ColumnDataSource, CustomJS, HoverTool, Range1d

from dask_serverless.dashboard.brief import alike, brief
from dask_serverless.dashboard.groups import Groups
from dask_serverless.dashboard.routes import CURVE, STEP, Routes
from dask_serverless.dashboard.states import COLOURS, NAMES, State
from dask_serverless.dashboard.style import FONT, LINE, TIP_LOOK, plain, without_axes
from dask_serverless.dashboard.view import Moment, View

WIDTH, HEIGHT = 0.74, 0.66  # of a box; columns and rows are one apart
BAR = (-0.25, -0.1)  # below and above: where the bar is in its box
INSET = 0.05
ROW_PIXELS = 84
MARGIN = 0.6  # around all boxes, for edges that turn back
BOX, INK = "#f1f3f6", "#374151"  # on any background
LEAST_PIXELS = 170
MOST_ROWS = 10  # in one column: the others of a level stand in further ones
CHARACTERS = 15  # of a name, until the browser knows how many fit into a box
LEAST_CHARACTERS = 3  # fewer say nothing
HEAD = 0.03  # from the middle of an arrow's head to its box
TITLE = "By key prefix"
FITTING = (Path(__file__).parent.parent / "fitting.js").read_text()


class Overview:
    """Never blank, whatever the size of the run: there are at most 200 boxes."""

    def __init__(self, view: View) -> None:
        self.groups = groups = view.groups
        self.x, self.y = places(groups)
        self.boxes = ColumnDataSource(self.fixed())
        self.bars = ColumnDataSource(self.bars_of(np.zeros((groups.count, len(State)), int)))
        self.edges, self.heads = self.drawn_edges()
        self.root = self.made = self.figure()

    def fixed(self) -> dict[str, Any]:
        groups = self.groups
        return {
            "x": self.x, "y": self.y, "left": self.x - WIDTH / 2 + INSET,
            "right": self.x + WIDTH / 2 - INSET, "above": self.y + 0.22, "under": self.y + 0.04,
            "name": brief(groups.names, CHARACTERS),
            "full": list(groups.names), "alike": alike(groups.names),
            "told": [""] * groups.count, "seen": [1] * groups.count,
            "longest": [f"{n:,} of {n:,}" for n in groups.sizes.tolist()],
            "line": [LINE] * groups.count,
            "again": [""] * groups.count,
            **{name: [""] * groups.count for name in NAMES},
        }  # fmt: skip

    def figure(self) -> Any:
        columns = self.x.max(initial=0) + 1
        under, over = self.reach()
        height = max(int(ROW_PIXELS * (over - under) + 16), LEAST_PIXELS)
        made = plain(
            height=height, name="overview", title=TITLE, tools="pan,xwheel_zoom,reset",
            x_range=Range1d(-MARGIN, max(columns, 4) - 1 + MARGIN), y_range=Range1d(under, over),
        )  # fmt: skip
        without_axes(made)
        made.bezier(source=self.edges, line_color=LINE, line_alpha=0.55, line_width="width",
            **{name: name for name in CURVE}, name="edges")  # fmt: skip
        made.rect("x", "y", WIDTH, HEIGHT, source=self.boxes, fill_color=BOX, line_color="line",
            line_width=1.5, border_radius=6, name="boxes")  # fmt: skip
        made.scatter("x", "y", source=self.heads, marker="triangle", angle=-np.pi / 2, size=8,
            fill_color=LINE, line_color=None, name="heads")  # fmt: skip
        made.quad("left", "right", "top", "bottom", source=self.bars, fill_color="colour",
            line_color=None, name="bars")  # fmt: skip
        text = {"source": self.boxes, "text_color": INK, "text_font": {"value": FONT}}
        made.text("left", "above", "name", **text, text_font_size="12px", text_font_style="bold",
            text_baseline="middle")  # fmt: skip
        made.text("left", "under", "told", **text, text_font_size="11px", text_alpha="seen",
            text_baseline="middle")  # fmt: skip
        made.add_tools(HoverTool(renderers=made.select(name="boxes"), tooltips=tips()))
        self.fit_names(made)
        return made

    def reach(self) -> tuple[float, float]:
        """Below and above all boxes, and all edges."""
        ends = np.concatenate((self.y, self.edges.data["y0"], self.edges.data["y1"], [0.0]))
        under, over = self.y.min(initial=0) - MARGIN, self.y.max(initial=0) + MARGIN
        return min(under, ends.min() - STEP), max(over, ends.max() + STEP)

    def fit_names(self, made: Any) -> None:
        """In the browser, which alone knows how wide a box is there."""
        code = CustomJS(code=FITTING, args={
            "figure": made, "boxes": self.boxes, "inside": WIDTH - 2 * INSET, "font": FONT,
            "bold": "bold 12px", "plain": "11px", "least": LEAST_CHARACTERS, "title": TITLE,
        })  # fmt: skip
        made.js_on_change("inner_width", code)
        for end in ("start", "end"):
            made.x_range.js_on_change(end, code)

    def drawn_edges(self) -> tuple[ColumnDataSource, ColumnDataSource]:
        """Their curves, and the heads of their arrows."""
        groups = self.groups
        routes = Routes(self.x, self.y, WIDTH, HEIGHT)
        curves, owners = routes.curves(groups.sources, groups.targets)
        width = 1 + np.log10(np.maximum(groups.counts, 1))
        targets = np.unique(groups.targets)
        heads = {"x": self.x[targets] - WIDTH / 2 - HEAD, "y": self.y[targets]}
        return ColumnDataSource({**curves, "width": width[owners]}), ColumnDataSource(heads)

    def update(self, moment: Moment) -> None:
        counts, groups = moment.counts, self.groups
        retried = np.bincount(groups.of[moment.retried], minlength=groups.count)
        sizes = counts.sum(axis=1)
        done = counts[:, [State.DONE, State.KEPT, State.RELEASED]].sum(axis=1)
        told = [f"{d:,} of {n:,}" for d, n in zip(done.tolist(), sizes.tolist(), strict=True)]
        self.boxes.patch({
            "told": [(slice(None), told)],
            "line": [(slice(None), list(map(self.outline, counts, retried)))],
            "again": [(slice(None), shown(retried))],
            **{name: [(slice(None), shown(counts[:, i]))] for i, name in enumerate(NAMES)},
        })  # fmt: skip
        self.bars.data = self.bars_of(counts)

    def outline(self, counts: Any, retried: int) -> str:
        """What went wrong shows afterwards, too: tasks that were tried again may be done by now."""
        if counts[State.FAILED]:
            return COLOURS[State.FAILED]
        if retried:
            return COLOURS[State.RETRIED]
        return COLOURS[State.RUNNING] if counts[State.RUNNING] else LINE

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


def shown(counts: Any) -> list[Any]:
    """Of a tip, which has no rows of noughts."""
    return [count or "" for count in counts.tolist()]


def tips() -> str:
    colours = [*zip(NAMES, NAMES, COLOURS, strict=True)]
    colours.append(("again", "begun more than once", COLOURS[State.RETRIED]))
    rows = "".join(
        f'<tr><th><span style="color:{colour}">{"○" if name == "again" else "■"}</span> {words}</th>'
        f"<td style='text-align:right'>@{{{name}}}</td></tr>"
        for name, words, colour in colours
    )
    return f'<div class="tip">{TIP_LOOK}<b>@full</b><table>{rows}</table></div>'
