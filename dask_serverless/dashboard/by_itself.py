"""The graph in a file: focus, search and zoom by the browser alone, without anybody who answers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from bokeh.events import RangesUpdate
from bokeh.models import ColumnDataSource, CustomJS

from dask_serverless.dashboard.details import DETAILS, details
from dask_serverless.dashboard.pages.selection import (
    MOST_ROWS,
    modes_of_focus,
    search_bar,
    search_of_keys,
)
from dask_serverless.dashboard.pages.tasks import (
    DOTS,
    HEIGHT,
    LEAST_ROWS,
    MOST_EDGES,
    MOST_NODES,
    NOTHING_HERE,
    TaskGraph,
)
from dask_serverless.dashboard.states import State
from dask_serverless.dashboard.tables import block
from dask_serverless.dashboard.view import Moment

MOST_TASKS = 50_000  # of which a file tells one by one: some 200 bytes each
CODE = (Path(__file__).parent / "by_itself.js").read_text()


class ByItself:
    """Nothing where there are too many tasks for a file to tell of each."""

    def __init__(self, graph: TaskGraph) -> None:
        self.graph = graph
        self.able = graph.view.structure.tasks <= MOST_TASKS
        self.modes, self.words, self.table = modes_of_focus(), search_of_keys(), block("selected")
        self.root = search_bar(self.modes, self.words)
        self.root.visible = self.able
        if self.able:  # and no recording of it is wanted
            graph.nodes.tags = ["by itself"]
        else:
            graph.root.title.text += "; too many for a file to tell of each"

    def begin(self, slider: Any, moments: Sequence[Moment]) -> None:
        """With the slider of a recording of these moments."""
        if not self.able:
            return
        graph = self.graph
        if graph.tasks is None:
            graph.root.title.text += ": zoom in to see each"
        (raster,) = graph.root.select(name="raster")
        code = CustomJS(code=CODE, args={
            "figure": graph.root, "raster": raster, "nodes": graph.nodes, "edges": graph.edges,
            "tasks": all_tasks(graph), "links": links(graph), "slider": slider,
            "whole": graph.root.title.text, "modes": self.modes, "words": self.words,
            "table": self.table, "picked": ColumnDataSource({"task": []}), "columns": list(DETAILS),
            "critical": np.sort(graph.view.critical_path()).tolist(), "failed": int(State.FAILED),
            "moments": ColumnDataSource({"state": np.concatenate([m.states for m in moments])}),
            "most_nodes": MOST_NODES, "most_edges": MOST_EDGES, "most_rows": MOST_ROWS,
            "dots": DOTS, "height": HEIGHT, "nothing_here": NOTHING_HERE,
            "least_rows": LEAST_ROWS,
        })  # fmt: skip
        graph.root.js_on_event(RangesUpdate, code)
        slider.js_on_change("value", code)
        self.modes.js_on_change("active", code)
        self.words.js_on_change("value", code)
        graph.nodes.selected.js_on_change("indices", code)


def all_tasks(graph: TaskGraph) -> ColumnDataSource:
    tasks = np.arange(graph.view.structure.tasks, dtype=np.int32)
    layout = graph.view.layout
    place = {"x": layout.levels, "y": layout.y.astype(np.float32)}
    return ColumnDataSource({**place, **details(graph.view, tasks)})


def links(graph: TaskGraph) -> ColumnDataSource:
    structure = graph.view.structure
    return ColumnDataSource({"source": structure.inputs, "target": graph.view.series.edges.users})
