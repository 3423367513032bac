"""The run task by task: a raster of all of it, and single nodes with their edges where they fit."""

from __future__ import annotations

from typing import Any

import numpy as np
from bokeh.events import RangesUpdate
from bokeh.models import (
    ColumnDataSource,
    CustomJS,
    CustomJSHover,
    HoverTool,
    LinearColorMapper,
    Range1d,
    WheelZoomTool,
)

from dask_serverless.dashboard.details import DETAILS, details
from dask_serverless.dashboard.focus import IN_VIEW, SELECTED, Focus, failed
from dask_serverless.dashboard.raster import EMPTY, raster_of, whole
from dask_serverless.dashboard.states import COLOURS, NAMES, State
from dask_serverless.dashboard.style import CRITICAL as ON_PATH
from dask_serverless.dashboard.style import LINE, TIP_LOOK, plain, whole_numbers
from dask_serverless.dashboard.view import Moment, View
from planners.graph.arrays import Ids, gather_rows

MOST_NODES = 3000  # that are shown one by one
MOST_EDGES = 8000
FULL_EDGES = 100  # between two levels that are drawn in full strength
ALPHA = (0.08, 0.45)  # of an edge, at least and at most
MOST_MARKS = 300  # tasks that failed, or were tried again, that are shown whatever the scale
LEAST_LEVELS = 1.01  # of the width: wherever that is, one of them is in it
LEAST_ROWS = 3  # of the widest level there
HEIGHT = 460
NOTHING_HERE = "No task just here: zoom out, or reset"
DOTS = (5, 16)  # pixels, at least and at most
CLEAR = "rgba(0,0,0,0)"
KEEP = """
const least = range.min_interval, span = range.end - range.start
if (span > 0.999 * least) {
  range.held = span < 1.001 * least ? range.start : null
} else {
  const start = range.held ?? Math.min(Math.max(range.start + (span - least) / 2, low), high - least)
  range.setv({start, end: start + least})
}
"""


class TaskGraph:
    """x is the task's depth in the graph; what is in view, or in focus, decides how it is drawn."""

    def __init__(self, view: View, focus: Focus, live: bool) -> None:
        self.view = view
        self.focus = focus
        self.live = live  # whether somebody answers when one zooms
        x0, x1, y0, y1 = whole(view.layout)
        self.window = (x0, x1, y0, y1)
        self.tasks: Ids | None = None  # those shown as nodes; None: the raster is shown
        self.moment: Moment | None = None
        self.told = -1  # the version of the series that the nodes tell of
        self.image = ColumnDataSource({n: [] for n in ("image", "count", "x", "y", "dw", "dh")})
        self.nodes = ColumnDataSource(
            {n: [] for n in ("x", "y", "state", "size", "task", *DETAILS)}
        )
        self.edges = ColumnDataSource({n: [] for n in ("x0", "y0", "x1", "y1", "alpha")})
        self.marks = ColumnDataSource({n: [] for n in ("x", "y", "state", *DETAILS)})
        self.retried = ColumnDataSource({n: [] for n in ("x", "y", "state", *DETAILS)})
        self.path = ColumnDataSource({"x": [], "y": []})
        self.root = self.figure()
        self.look()

    def figure(self) -> Any:
        x0, x1, y0, y1 = self.window
        wheel = WheelZoomTool(
            maintain_focus=False
        )  # where one direction can no more, the other goes on
        made = plain(
            height=HEIGHT, x_range=bounded(x0, x1, 0.02 * (x1 - x0), LEAST_LEVELS), name="tasks",
            y_range=bounded(y0, y1, 0.03, self.view.layout.height_of(LEAST_ROWS, x0, x1)),
            tools=["pan", wheel, "box_zoom", "box_select", "tap", "reset"], active_scroll=wheel,
            output_backend="webgl", x_axis_label="depth in the graph",
        )  # fmt: skip
        made.yaxis.visible = False
        made.xaxis.ticker = whole_numbers()
        made.grid.visible = False
        states = LinearColorMapper(palette=[*COLOURS, CLEAR], low=0, high=EMPTY)
        made.image("image", "x", "y", "dw", "dh", source=self.image, color_mapper=states,
            name="raster")  # fmt: skip
        made.segment("x0", "y0", "x1", "y1", source=self.edges, line_color=LINE, line_alpha="alpha",
            name="edges")  # fmt: skip
        made.line("x", "y", source=self.path, line_color=ON_PATH, line_width=3, line_alpha=0.8,
            line_join="round", name="path")  # fmt: skip
        made.scatter("x", "y", size="size", source=self.nodes, marker="circle", line_width=0.5,
            fill_color={"field": "state", "transform": states}, line_color="#ffffff",
            line_alpha=0.6, name="nodes")  # fmt: skip
        made.scatter("x", "y", size=DOTS[1] + 4, source=self.retried, marker="circle", line_width=2.5,
            fill_color=None, line_color=COLOURS[State.RETRIED], name="retried")  # fmt: skip
        made.scatter("x", "y", size=13, source=self.marks, marker="diamond", line_width=1.5,
            fill_color=COLOURS[State.FAILED], line_color="#ffffff", name="marks")  # fmt: skip
        nodes = [
            *made.select(name="nodes"),
            *made.select(name="marks"),
            *made.select(name="retried"),
        ]
        told = CustomJSHover(code="return names[value]", args={"names": NAMES})
        made.add_tools(HoverTool(renderers=nodes, tooltips=tips(), formatters={"@state": told}))
        made.add_tools(HoverTool(renderers=made.select(name="raster"),
            tooltips='<div style="font:12px sans-serif">@count tasks</div>'))  # fmt: skip
        if self.live:
            made.on_event(RangesUpdate, self.ranges)
        return made

    def ranges(self, event: Any) -> None:
        """Somebody zooms or moves: other tasks are in view."""
        self.window = (event.x0, event.x1, *self.high_enough(event))
        self.look()
        if self.moment is not None:
            self.update(self.moment)

    def high_enough(self, event: Any) -> tuple[float, float]:
        """The part of the height that is in view: not less than a few tasks of the levels there."""
        y0, y1 = event.y0, event.y1
        low, high = self.root.y_range.bounds
        least = min(self.view.layout.height_of(LEAST_ROWS, event.x0, event.x1), high - low)
        if y1 - y0 < 0.999 * least:
            y0 = min(max((y0 + y1 - least) / 2, low), high - least)
            y1 = y0 + least
            self.root.y_range.update(start=y0, end=y1)
        self.root.y_range.min_interval = least
        return y0, y1

    def look(self) -> None:
        """Nodes if what is in focus, or else in view, fits; else a raster of it."""
        layout = self.view.layout
        focused = self.focus.tasks(self.moment)
        tasks = layout.within(*self.window) if focused is None else focused[:MOST_NODES]
        if len(tasks) <= MOST_NODES:
            self.tasks = tasks
            self.show_nodes(tasks)
        else:
            self.tasks = None
            self.raster = raster_of(layout, self.within_whole())
            self.nodes.data = {name: [] for name in self.nodes.data}
            self.edges.data = {name: [] for name in self.edges.data}
        self.root.title.text = self.caption(len(tasks), focused is None)

    def caption(self, shown: int, in_view: bool) -> str:
        """Short: beside it, the tools need room on narrow pages, too."""
        if not shown and in_view:
            return NOTHING_HERE
        of = f"{shown:,} of {self.view.structure.tasks:,} tasks"
        if self.tasks is not None:
            return f"{of} one by one"
        return f"{of} in cells" + (": zoom in to see each" if self.live else "")

    def within_whole(self) -> tuple[float, float, float, float]:
        a, b = self.window, whole(self.view.layout)
        x0, x1 = max(a[0], b[0]), min(a[1], b[1])
        y0, y1 = max(a[2], b[2]), min(a[3], b[3])
        return (x0, x1, y0, y1) if x0 < x1 and y0 < y1 else b

    def show_nodes(self, tasks: Ids) -> None:
        view, layout = self.view, self.view.layout
        size = dot_size(layout.levels[tasks])
        with view.lock:
            self.told, fixed = view.series.version, details(view, tasks)
        self.nodes.data = {
            "x": layout.levels[tasks], "y": layout.y[tasks],
            "state": np.zeros(len(tasks), dtype=np.uint8), "size": np.full(len(tasks), size),
            "task": tasks, **fixed,
        }  # fmt: skip
        self.nodes.selected.indices = np.flatnonzero(np.isin(tasks, self.focus.selected)).tolist()
        self.edges.data = self.edges_of(tasks)

    def edges_of(self, tasks: Ids) -> dict[str, Any]:
        """Those that are in view with any part; of tasks in focus, those between them."""
        structure, layout = self.view.structure, self.view.layout
        if self.focus.mode == IN_VIEW:
            users = self.view.series.edges.users
            edges = layout.crossing(structure.inputs, users, *self.window)
            sources, targets = structure.inputs[edges], users[edges]
            ends = np.isin(sources, tasks) | np.isin(targets, tasks)
            first = np.argsort(~ends, kind="stable")[:MOST_EDGES]
            sources, targets = sources[first], targets[first]
        else:
            offsets, sources = gather_rows(structure.input_offsets, structure.inputs, tasks)
            targets = np.repeat(tasks, np.diff(offsets))
            within = np.isin(sources, tasks)
            sources, targets = sources[within][:MOST_EDGES], targets[within][:MOST_EDGES]
        return {
            "x0": layout.levels[sources], "y0": layout.y[sources],
            "x1": layout.levels[targets], "y1": layout.y[targets],
            "alpha": np.full(len(sources), faint(layout.levels[targets])),
        }  # fmt: skip

    def update(self, moment: Moment) -> None:
        self.moment = moment
        if self.focus.mode not in (IN_VIEW, SELECTED):  # other tasks than before
            self.look()
        if self.tasks is None:
            self.update_raster(moment)
        else:
            self.update_nodes(self.tasks, moment)
        self.marks.data = self.marked(failed(moment)[:MOST_MARKS], moment)
        self.retried.data = self.marked(moment.retried[:MOST_MARKS], moment)
        layout, path = self.view.layout, self.view.critical_path()
        self.path.data = {"x": layout.levels[path], "y": layout.y[path]}

    def marked(self, tasks: Ids, moment: Moment) -> dict[str, Any]:
        layout = self.view.layout
        with self.view.lock:
            told = details(self.view, tasks)
        return {
            "x": layout.levels[tasks],
            "y": layout.y[tasks],
            "state": moment.states[tasks],
            **told,
        }

    def refocus(self) -> None:
        """Somebody wants to see other tasks."""
        self.look()
        if self.moment is not None:
            self.update(self.moment)

    def update_raster(self, moment: Moment) -> None:
        x0, x1, y0, y1 = self.raster.window
        self.image.data = {
            "image": [self.raster.image(moment.states)], "count": [self.raster.counts()],
            "x": [x0], "y": [y0], "dw": [x1 - x0], "dh": [y1 - y0],
        }  # fmt: skip

    def update_nodes(self, tasks: Ids, moment: Moment) -> None:
        if len(self.image.data["image"]):
            self.image.data = {name: [] for name in self.image.data}
        patches: dict[str, Any] = {"state": [(slice(None), moment.states[tasks])]}
        with self.view.lock:
            version = self.view.series.version
            if self.told != version:  # and not only another moment of what is known
                told = details(self.view, tasks)
                patches |= {name: [(slice(None), column)] for name, column in told.items()}
        self.told = version
        if len(tasks):
            self.nodes.patch(patches)


def dot_size(levels: Ids) -> float:
    """Of tasks at these levels, in pixels: a column has to hold all of its level."""
    most = int(np.bincount(levels).max(initial=1))
    return float(np.clip(0.8 * HEIGHT / most, *DOTS))


def faint(levels: Ids) -> float:
    """How strongly edges are drawn: a thousand side by side would be a wall."""
    most = int(np.bincount(levels).max(initial=1))
    return float(np.clip(FULL_EDGES * ALPHA[1] / most, *ALPHA))


def bounded(low: float, high: float, margin: float, least: float) -> Range1d:
    """All of it at first, and something of it always: as much as ``least`` remains in view."""
    low, high = low - margin, high + margin
    least = min(least, high - low)
    made = Range1d(low, high, bounds=(low, high), min_interval=least)
    # Bokeh heeds the interval where one draws a box, but not where a wheel zooms one direction further.
    keep = CustomJS(code=KEEP, args={"range": made, "low": low, "high": high})
    for end in ("start", "end"):
        made.js_on_change(end, keep)
    return made


def tips() -> str:
    """Rows of what is not known, or has not happened, are left out."""
    names = {"state": "@state{custom}", **{name: f"@{{{name}}}" for name in DETAILS[1:]}}
    rows = "".join(f"<tr><th>{name}</th><td>{value}</td></tr>" for name, value in names.items())
    return f'<div class="tip">{TIP_LOOK}<b>@key</b><table>{rows}</table></div>'
