"""The run task by task: a raster of all of it, and single nodes with their edges where they fit."""

from __future__ import annotations

from typing import Any

import numpy as np
from bokeh.events import RangesUpdate
from bokeh.models import ColumnDataSource, HoverTool, LinearColorMapper, Range1d

from dask_serverless.dashboard.details import DETAILS, details
from dask_serverless.dashboard.focus import IN_VIEW, SELECTED, Focus, failed
from dask_serverless.dashboard.raster import EMPTY, raster_of, whole
from dask_serverless.dashboard.states import COLOURS, State
from dask_serverless.dashboard.style import CRITICAL as ON_PATH
from dask_serverless.dashboard.style import LINE, plain, whole_numbers
from dask_serverless.dashboard.view import Moment, View
from planners.graph.arrays import Ids, gather_rows

MOST_NODES = 3000  # that are shown one by one
MOST_EDGES = 8000
FULL_EDGES = 100  # between two levels that are drawn in full strength
ALPHA = (0.08, 0.45)  # of an edge, at least and at most
MOST_MARKS = 300  # failed tasks that are shown whatever the scale
HEIGHT = 460
DOTS = (5, 16)  # pixels, at least and at most
CLEAR = "rgba(0,0,0,0)"


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
        self.marks = ColumnDataSource({n: [] for n in ("x", "y", *DETAILS)})
        self.path = ColumnDataSource({"x": [], "y": []})
        self.root = self.figure()
        self.look()

    def figure(self) -> Any:
        x0, x1, y0, y1 = self.window
        made = plain(
            height=HEIGHT, x_range=Range1d(x0 - 0.02 * (x1 - x0), x1 + 0.02 * (x1 - x0)),
            y_range=Range1d(y0 - 0.03, y1 + 0.03), tools="pan,wheel_zoom,box_zoom,box_select,tap,reset",
            active_scroll="wheel_zoom", output_backend="webgl", x_axis_label="depth in the graph", name="tasks",
        )  # fmt: skip
        made.yaxis.visible = False
        made.xaxis.ticker = whole_numbers()
        made.grid.visible = False
        states = LinearColorMapper(palette=[*COLOURS, CLEAR], low=0, high=EMPTY)
        made.image("image", "x", "y", "dw", "dh", source=self.image, color_mapper=states,
            name="raster")  # fmt: skip
        made.segment("x0", "y0", "x1", "y1", source=self.edges, line_color=LINE, line_alpha="alpha")
        made.line("x", "y", source=self.path, line_color=ON_PATH, line_width=3, line_alpha=0.8,
            line_join="round", name="path")  # fmt: skip
        made.scatter("x", "y", size="size", source=self.nodes, marker="circle", line_width=0.5,
            fill_color={"field": "state", "transform": states}, line_color="#ffffff",
            line_alpha=0.6, name="nodes")  # fmt: skip
        made.scatter("x", "y", size=13, source=self.marks, marker="diamond", line_width=1.5,
            fill_color=COLOURS[State.FAILED], line_color="#ffffff", name="marks")  # fmt: skip
        nodes = [*made.select(name="nodes"), *made.select(name="marks")]
        made.add_tools(HoverTool(renderers=nodes, tooltips=tips()))
        made.add_tools(HoverTool(renderers=made.select(name="raster"),
            tooltips='<div style="font:12px sans-serif">@count tasks</div>'))  # fmt: skip
        if self.live:
            made.on_event(RangesUpdate, self.ranges)
        return made

    def ranges(self, event: Any) -> None:
        """Somebody zooms or moves: other tasks are in view."""
        self.window = (event.x0, event.x1, event.y0, event.y1)
        self.look()
        if self.moment is not None:
            self.update(self.moment)

    def look(self) -> None:
        """Nodes if what is in focus, or else in view, fits; else a raster of it."""
        layout = self.view.layout
        focused = self.focus.tasks(self.moment)
        tasks = layout.within(*self.window) if focused is None else focused[:MOST_NODES]
        blank = not len(tasks) and focused is None and self.view.structure.tasks > MOST_NODES
        if len(tasks) <= MOST_NODES and not blank:
            self.tasks = tasks
            self.show_nodes(tasks)
        else:
            self.tasks = None
            self.raster = raster_of(layout, self.within_whole())
            self.nodes.data = {name: [] for name in self.nodes.data}
            self.edges.data = {name: [] for name in self.edges.data}
        of, shown = self.view.structure.tasks, len(tasks)
        kind = "tasks one by one" if self.tasks is not None else "in cells of many tasks each"
        hint = ": zoom and hover to see more" if self.live and focused is None else ""
        self.root.title.text = f"{shown:,} of {of:,} {kind}{hint}"

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
        """Those that end in view; of tasks in focus, those between them."""
        structure, layout = self.view.structure, self.view.layout
        offsets, sources = gather_rows(structure.input_offsets, structure.inputs, tasks)
        targets = np.repeat(tasks, np.diff(offsets))
        if self.focus.mode != IN_VIEW:
            within = np.isin(sources, tasks)
            sources, targets = sources[within], targets[within]
        sources, targets = sources[:MOST_EDGES], targets[:MOST_EDGES]
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
        raised, layout = failed(moment)[:MOST_MARKS], self.view.layout
        self.marks.data = {"x": layout.levels[raised], "y": layout.y[raised],
            **details(self.view, raised)}  # fmt: skip
        path = self.view.critical_path()
        self.path.data = {"x": layout.levels[path], "y": layout.y[path]}

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


def tips() -> str:
    rows = "".join(
        f'<tr><td style="padding-right:8px;color:#6b7280">{name}</td><td>@{{{name}}}</td></tr>'
        for name in DETAILS[1:]
    )
    return (
        '<div style="font:12px sans-serif;max-width:420px;overflow-wrap:anywhere">'
        f"<b>@{{key}}</b><table>{rows}</table></div>"
    )
