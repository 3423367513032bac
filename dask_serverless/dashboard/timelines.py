"""Timelines: where and when bundles were planned to run, above where and when they did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from heapq import heappop, heappush
from typing import Any

import numpy as np
from bokeh.layouts import column
from bokeh.models import ColumnDataSource, HoverTool, Range1d

from dask_serverless.dashboard.lanes import GAP, MOST_BARS, lanes_of
from dask_serverless.dashboard.numbers import in_seconds
from dask_serverless.dashboard.series import Series
from dask_serverless.dashboard.style import CRITICAL, plain, swatches
from planners.graph.arrays import Ids

PLANNED, ACTUAL = "#a9b4c4", "#009e73"
LANE_PIXELS, LEAST_PIXELS, MOST_PIXELS = 24, 170, 420
MOST_NAMED = 16  # lanes that bear their names
MOST_OF_A_LANE = 3  # containers that its name tells
APART = 8.0  # times as long as the other: then each has a scale of its own
COLUMNS = ("left", "right", "top", "bottom", "colour", "what", "took")
MEANINGS = (
    (PLANNED, "planned"),
    (CRITICAL, "on the plan's critical path"),
    (ACTUAL, "actual"),
)


class Timelines:
    """In one scale, unless that would leave nothing to see of one of them."""

    def __init__(self, planned: Mapping[str, Any]) -> None:
        self.path = set(planned["path"])
        self.planned_end = float(planned["finished"].max(initial=0.0))
        self.lanes, self.names = lanes_planned(planned)
        self.planned_source = ColumnDataSource(planned_bars(planned, self.lanes))
        self.source = ColumnDataSource({name: [] for name in COLUMNS})
        self.containers = len(set(planned["container"].tolist()))
        self.root = column(sizing_mode="stretch_width")
        self.arrange(together=True)

    def arrange(self, together: bool) -> None:
        self.together = together
        shared = Range1d(0, 1)
        scale = "" if together else ", in a scale of its own"
        count = len(self.names)
        places = f", {count:,} at a time" if count < self.containers else ""
        title = f"As planned: {counted(self.containers)}{places}{scale}"
        self.planned = figure(title, shared, "planned")
        quads(self.planned, self.planned_source)
        name_lanes(self.planned, self.names)
        self.actual = figure("", shared if together else Range1d(0, 1), "actual")
        quads(self.actual, self.source)
        self.root.children = [swatches(MEANINGS), self.planned, self.actual]

    def update(self, series: Series) -> None:
        lanes = lanes_of(series)
        planned, came = max(self.planned_end, 1e-3), max(series.end, 1e-3)
        late = came > APART * planned
        together = not (late or (not series.goes_on and planned > APART * came))
        if together != self.together:
            self.arrange(together)
        self.source.data = actual_bars(series, self.path)
        scale = "" if together else ", in a scale of its own"
        self.actual.title.text = f"As it went: {counted(len(lanes.names))}{scale}"
        name_lanes(self.actual, lanes.names)
        self.actual.x_range.update(start=0, end=1.02 * (max(came, planned) if together else came))
        if not together:
            self.planned.x_range.update(start=0, end=1.02 * planned)


def counted(containers: int) -> str:
    return f"{containers:,} container" + ("s" if containers != 1 else "")


def figure(title: str, x_range: Range1d, name: str) -> Any:
    made = plain(height=LEAST_PIXELS, x_range=x_range, title=title, name=name,
        tools="xpan,xwheel_zoom,reset", x_axis_label="seconds since the submission",
        y_range=Range1d(1, 0))  # fmt: skip
    made.ygrid.visible = False
    return made


def quads(made: Any, source: ColumnDataSource) -> None:
    made.quad("left", "right", "top", "bottom", source=source, fill_color="colour", name="bars",
        line_color="#ffffff", line_width=0.5)  # fmt: skip
    tip = '<div style="font:12px sans-serif"><b>@what</b><br>@took</div>'
    made.add_tools(HoverTool(tooltips=tip))


def name_lanes(made: Any, names: Sequence[str]) -> None:
    """The first at the top."""
    count = max(len(names), 1)
    height = int(np.clip(LANE_PIXELS * count + 90, LEAST_PIXELS, MOST_PIXELS))
    made.update(height=height)
    made.y_range.update(start=count, end=0)
    shown = names if len(names) <= MOST_NAMED else []
    made.yaxis.ticker = [lane + 0.5 for lane in range(len(shown))]
    made.yaxis.major_label_overrides = {n + 0.5: name for n, name in enumerate(shown)}


def lanes_planned(planned: Mapping[str, Any]) -> tuple[Ids, list[str]]:
    """The lane of each bundle, and the lanes' names. A container that begins when another one is
    through with all that it has stands in the same lane: it takes its place.
    """
    container, begun, finished = planned["container"], planned["begun"], planned["finished"]
    count = int(container.max(initial=-1)) + 1
    first, last = np.full(count, np.inf), np.zeros(count)
    np.minimum.at(first, container, begun)
    np.maximum.at(last, container, finished)
    lane_of, within = np.zeros(count, dtype=np.int32), list[list[int]]()
    busy: list[tuple[float, int]] = []  # until when, and which lane
    for each in np.argsort(first, kind="stable").tolist():
        if first[each] == np.inf:
            continue  # the plan has no bundle for it
        if busy and busy[0][0] <= first[each]:
            _, lane = heappop(busy)
        else:
            lane = len(within)
            within.append([])
        within[lane].append(each)
        lane_of[each] = lane
        heappush(busy, (float(last[each]), lane))
    return lane_of[container], [name_of(lane) for lane in within]


def name_of(containers: Sequence[int]) -> str:
    shown = ", ".join(str(each + 1) for each in containers[:MOST_OF_A_LANE])
    more = ", …" if len(containers) > MOST_OF_A_LANE else ""
    return f"container{'s' if len(containers) > 1 else ''} {shown}{more}"


def bars(
    lane: Any, begun: Any, ended: Any, bundles: Any, what: list[str], path: set[int], colour: str
) -> dict[str, Any]:
    return {
        "left": begun, "right": ended, "top": lane + GAP, "bottom": lane + 1 - GAP,
        "colour": [CRITICAL if bundle in path else colour for bundle in bundles.tolist()],
        "what": what, "took": [in_seconds(seconds) for seconds in (ended - begun).tolist()],
    }  # fmt: skip


def planned_bars(planned: Mapping[str, Any], lanes: Ids) -> dict[str, Any]:
    begun, finished = planned["begun"], planned["finished"]
    bundles, path = np.arange(len(begun)), set(planned["path"])
    on = planned["container"].tolist()
    what = [f"bundle {bundle} on container {each + 1}" for bundle, each in enumerate(on)]
    return bars(lanes, begun, finished, bundles, what, path, PLANNED)


def actual_bars(series: Series, path: set[int]) -> dict[str, Any]:
    """Where they ran; one that was divided, in each of its parts."""
    lanes = lanes_of(series)
    done = np.flatnonzero(lanes.told)[:MOST_BARS]
    claimed, finished = lanes.claimed[done], lanes.finished[done]
    what = [f"bundle {bundle}" for bundle in lanes.bundles[done].tolist()]
    return bars(lanes.lane[done], claimed, finished, lanes.bundles[done], what, path, ACTUAL)
