"""Zooming in a file: what comes into view is shown task by task, without anybody who answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from bokeh.events import RangesUpdate
from bokeh.models import ColumnDataSource, CustomJS

from dask_serverless.dashboard.details import details
from dask_serverless.dashboard.pages.tasks import MOST_EDGES, MOST_NODES, TaskGraph
from dask_serverless.dashboard.view import Moment

MOST_TASKS = 50_000  # of which a file tells one by one: some 200 bytes each
ZOOM = """
const {start: x0, end: x1} = figure.x_range, {start: y0, end: y1} = figure.y_range
const {x, y} = tasks.data, count = x.length, inside = []
for (let t = 0; t < count && inside.length <= most_nodes; t++)
  if (x0 <= x[t] && x[t] <= x1 && y0 <= y[t] && y[t] <= y1) inside.push(t)
const single = 0 < inside.length && inside.length <= most_nodes, shown = single ? inside : []
const moment = Math.round(slider.value / slider.step), states = moments.data.state
const found = {state: shown.map(t => states[moment * count + t])}
for (const [name, column] of Object.entries(tasks.data)) found[name] = shown.map(t => column[t])
const mine = new Uint8Array(count)
for (const t of shown) mine[t] = 1
const {source, target} = links.data, drawn = {x0: [], y0: [], x1: [], y1: [], alpha: []}
for (let e = 0; e < source.length && drawn.x0.length < most_edges; e++)
  if (mine[target[e]]) {
    drawn.x0.push(x[source[e]]); drawn.y0.push(y[source[e]])
    drawn.x1.push(x[target[e]]); drawn.y1.push(y[target[e]])
  }
drawn.alpha = drawn.x0.map(_ => Math.min(0.45, Math.max(0.08, 45 / drawn.x0.length)))
nodes.data = found
edges.data = drawn
raster.visible = !single
figure.title.text = single
  ? `${inside.length.toLocaleString("en")} of ${count.toLocaleString("en")} tasks one by one`
  : whole
"""


def zooming(graph: TaskGraph, slider: Any, moments: Sequence[Moment]) -> None:
    """Where all tasks are shown one by one anyway, there is nothing to do."""
    title = graph.root.title
    if graph.tasks is not None:
        return
    if graph.view.structure.tasks > MOST_TASKS:
        title.text += "; too many for a file to tell of each"
        return
    title.text += ": zoom and hover to see more"
    (raster,) = graph.root.select(name="raster")
    code = CustomJS(code=ZOOM, args={
        "figure": graph.root, "raster": raster, "nodes": graph.nodes, "edges": graph.edges,
        "tasks": all_tasks(graph), "links": links(graph), "slider": slider, "whole": title.text,
        "moments": ColumnDataSource({"state": np.concatenate([each.states for each in moments])}),
        "most_nodes": MOST_NODES, "most_edges": MOST_EDGES,
    })  # fmt: skip
    graph.root.js_on_event(RangesUpdate, code)
    slider.js_on_change("value", code)


def all_tasks(graph: TaskGraph) -> ColumnDataSource:
    tasks = np.arange(graph.view.structure.tasks, dtype=np.int32)
    layout = graph.view.layout
    place = {"x": layout.levels, "y": layout.y.astype(np.float32)}
    return ColumnDataSource({**place, "size": np.full(len(tasks), 6), **details(graph.view, tasks)})


def links(graph: TaskGraph) -> ColumnDataSource:
    structure = graph.view.structure
    users = np.repeat(np.arange(structure.tasks, dtype=np.int32), np.diff(structure.input_offsets))
    return ColumnDataSource({"source": structure.inputs, "target": users})
