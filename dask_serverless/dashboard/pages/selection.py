"""Selection: which tasks the graph shows one by one, and what is known of those that were picked."""

from __future__ import annotations

from typing import Any

import numpy as np
from bokeh.events import SelectionGeometry, Tap
from bokeh.layouts import row
from bokeh.models import InlineStyleSheet, RadioButtonGroup, TextInput

from dask_serverless.dashboard.details import DETAILS, details
from dask_serverless.dashboard.focus import IN_VIEW, NAMES, SELECTED, Focus
from dask_serverless.dashboard.pages.overview import HEIGHT, WIDTH, Overview
from dask_serverless.dashboard.pages.tasks import TaskGraph
from dask_serverless.dashboard.style import widget_sheet
from dask_serverless.dashboard.tables import block, table
from dask_serverless.dashboard.view import View

MOST_ROWS = 30
REACH = (0.4, 0.012)  # of a click: as a share of a column, and of the height in view


def modes_of_focus() -> Any:
    look = [widget_sheet()]
    return RadioButtonGroup(labels=list(NAMES), active=IN_VIEW, name="focus", stylesheets=look)


def search_of_keys() -> Any:
    look = [widget_sheet()]
    return TextInput(
        placeholder="find keys that contain …", width=260, name="find", stylesheets=look
    )


def search_bar(modes: Any, words: Any) -> Any:
    """Side by side, or one below the other on a narrow page."""
    wraps = InlineStyleSheet(css=":host { flex-wrap: wrap }")
    return row(modes, words, sizing_mode="stretch_width", stylesheets=[wraps])


class Selection:
    """By a click at a task, a cell or a prefix, by a box, or by words of their keys."""

    def __init__(self, view: View, focus: Focus, overview: Overview, graph: TaskGraph) -> None:
        self.view = view
        self.focus = focus
        self.overview = overview
        self.graph = graph
        self.modes = modes_of_focus()
        self.modes.on_change("active", lambda attribute, old, new: self.turn_to(new))
        self.words = search_of_keys()
        self.words.on_change("value", lambda attribute, old, new: self.find(new))
        self.table = block("selected")
        self.root = search_bar(self.modes, self.words)
        graph.root.on_event(Tap, self.tapped)
        graph.root.on_event(SelectionGeometry, self.boxed)
        overview.made.on_event(Tap, self.tapped_prefix)

    def turn_to(self, mode: int) -> None:
        self.focus.mode = mode
        self.graph.refocus()

    def find(self, words: str) -> None:
        self.focus.find(words)
        self.picked(SELECTED if words else IN_VIEW)

    def tapped(self, event: Any) -> None:
        """A task if one is near, else the cell."""
        _, _, y0, y1 = self.graph.window
        across, up = REACH[0], REACH[1] * (y1 - y0)
        self.focus.pick(event.x - across, event.x + across, event.y - up, event.y + up)
        self.keep_nearest(event.x, event.y)
        self.picked(self.focus.mode)

    def keep_nearest(self, x: float, y: float) -> None:
        """Where tasks are shown one by one."""
        shown, picked = self.graph.tasks, self.focus.selected
        if shown is None:
            return
        picked = picked[np.isin(picked, shown)]
        nearest = np.argsort(np.abs(self.view.layout.y[picked] - y), kind="stable")[:1]
        self.focus.selected = picked[nearest]

    def boxed(self, event: Any) -> None:
        box = event.geometry
        if event.final and box["type"] == "rect":
            self.focus.pick(box["x0"], box["x1"], box["y0"], box["y1"])
            self.picked(self.focus.mode)

    def tapped_prefix(self, event: Any) -> None:
        inside = np.abs(self.overview.x - event.x) < WIDTH / 2
        inside &= np.abs(self.overview.y - event.y) < HEIGHT / 2
        for group in np.flatnonzero(inside)[:1].tolist():
            self.focus.pick_group(group)
            self.picked(SELECTED)

    def picked(self, mode: int) -> None:
        """Something else is selected."""
        if mode == SELECTED and not len(self.focus.selected):
            mode = IN_VIEW
        if mode == self.modes.active:
            self.turn_to(mode)
        else:
            self.modes.active = mode
        self.update()

    def update(self) -> None:
        tasks = self.focus.selected
        if not len(tasks):
            self.table.text = ""
            return
        with self.view.lock:
            told = details(self.view, tasks[:MOST_ROWS])
        rows = list(zip(*told.values(), strict=True))
        more = f", the first {len(rows)} of them" if len(tasks) > len(rows) else ""
        self.table.text = f"<h3>{len(tasks):,} selected{more}</h3>" + table(DETAILS, rows)
