"""The task stream: what every container did, and when."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from bokeh.events import RangesUpdate, Reset
from bokeh.layouts import column
from bokeh.models import ColumnDataSource, HoverTool, LinearColorMapper, Range1d

from dask_serverless.dashboard.brief import brief
from dask_serverless.dashboard.lanes import KINDS, MOST_BARS, bars, busy, colour_of, lanes_of, marks
from dask_serverless.dashboard.pages.page import Page
from dask_serverless.dashboard.reader import Reader
from dask_serverless.dashboard.style import legend, plain
from dask_serverless.dashboard.tables import block
from dask_serverless.dashboard.view import Moment, View
from dask_serverless.progress.words import counted

LANE_PIXELS, LEAST_PIXELS, MOST_PIXELS = 26, 220, 760
MOST_IN_FILE = 20_000  # bars, where nobody sends those of another window
MARK_PIXELS = 3
MOST_PREFIXES = 11  # in the legend
MOST_NAMED = 60  # lanes that bear their names
CHARACTERS = 32  # of a prefix in the legend
BUSY = ["#00000000", *[f"#009e73{share:02x}" for share in range(40, 256, 24)]]


class Stream(Page):
    path = "stream"
    title = "Task stream"

    def __init__(self, view: View | None, reader: Reader | None) -> None:
        assert view is not None
        self.view = view
        self.live = reader is not None
        self.window: tuple[float, float] | None = None  # None: all of it, as it grows
        self.bars = ColumnDataSource({n: [] for n in ("left", "right", "top", "bottom", "colour",
            "what", "took")})  # fmt: skip
        self.marks = ColumnDataSource({n: [] for n in ("x", "top", "bottom", "colour", "what",
            "took")})  # fmt: skip
        self.busy = ColumnDataSource({n: [] for n in ("image", "x", "y", "dw", "dh")})
        self.figure = self.made()
        self.legend = block("legend")
        self.root = column(self.legend, self.figure, sizing_mode="stretch_width")

    def made(self) -> Any:
        made = plain(
            height=LEAST_PIXELS, x_range=Range1d(0, 1), y_range=Range1d(0, 1), name="stream",
            tools="xpan,xwheel_zoom,xbox_zoom,reset", active_scroll="xwheel_zoom",
            x_axis_label="seconds since the submission", output_backend="webgl",
        )  # fmt: skip
        made.ygrid.visible = False
        shades = LinearColorMapper(palette=BUSY, low=0, high=1)
        made.image("image", "x", "y", "dw", "dh", source=self.busy, color_mapper=shades)
        made.quad("left", "right", "top", "bottom", source=self.bars, fill_color="colour",
            line_color=None, name="bars")  # fmt: skip
        made.segment("x", "top", "x", "bottom", source=self.marks, line_color="colour",
            line_width=MARK_PIXELS, name="marks")  # fmt: skip
        shown = [*made.select(name="bars"), *made.select(name="marks")]
        made.add_tools(HoverTool(renderers=shown, tooltips=TIP))
        if self.live:
            made.on_event(RangesUpdate, self.ranges)
            made.on_event(Reset, self.reset)
        return made

    def ranges(self, event: Any) -> None:
        self.window = (event.x0, event.x1)
        self.draw()

    def reset(self, event: Any) -> None:
        self.window = None
        self.draw()

    def update(self, moment: Moment | None) -> None:
        self.draw()

    def draw(self) -> None:
        with self.view.lock:
            lanes = lanes_of(self.view.series)
            window = self.window or (min(lanes.begin, 0.0), max(lanes.end, 1e-3) * 1.01)
            shown = bars(self.view, lanes, window, MOST_BARS if self.live else MOST_IN_FILE)
            image = busy(lanes, window) if shown is None else None
            wrong = marks(self.view)
        self.arrange(lanes.names)
        colours = within(shown, window) if shown else {KINDS["run"]}
        colours.update(wrong["colour"])
        self.legend.text = legend(meanings(colours, self.view.groups.names))
        self.marks.data = wrong
        if self.window is None:
            self.figure.x_range.update(start=window[0], end=window[1])
        self.bars.data = shown or {name: [] for name in self.bars.data}
        self.busy.data = {name: [] for name in self.busy.data} if image is None else {
            "image": [image], "x": [window[0]], "y": [0], "dw": [window[1] - window[0]],
            "dh": [len(lanes.names)],
        }  # fmt: skip

    def arrange(self, names: list[str]) -> None:
        """A lane for each container, the first at the top."""
        count = max(len(names), 1)
        if self.figure.y_range.start == count:
            return
        height = int(np.clip(LANE_PIXELS * count + 80, LEAST_PIXELS, MOST_PIXELS))
        self.figure.update(height=height)
        self.figure.y_range.update(start=count, end=0)
        shown = names if len(names) <= MOST_NAMED else []
        self.figure.yaxis.ticker = [lane + 0.5 for lane in range(len(shown))]
        self.figure.yaxis.major_label_overrides = {n + 0.5: name for n, name in enumerate(shown)}
        self.figure.title.text = counted(len(names), "container")


def within(shown: Mapping[str, Any], window: tuple[float, float]) -> set[str]:
    """The colours of what is in view: starts before it are drawn, too, for whoever zooms out."""
    found = zip(shown["left"], shown["right"], shown["colour"], strict=True)
    return {colour for left, right, colour in found if left <= window[1] and right >= window[0]}


def meanings(drawn: Collection[str], prefixes: Sequence[str]) -> list[tuple[str, str]]:
    """Of the colours that are drawn: what containers do, and tasks by their prefix."""
    kinds = [(colour, name) for name, colour in KINDS.items() if colour in drawn]
    names = [*map(colour_of, range(len(prefixes)))], brief(prefixes, CHARACTERS)
    tasks = [(colour, name) for colour, name in zip(*names, strict=True) if colour in drawn]
    more = [("transparent", "…")] if len(tasks) > MOST_PREFIXES else []
    return kinds + tasks[:MOST_PREFIXES] + more


TIP = (
    '<div style="font:12px sans-serif;max-width:420px;overflow-wrap:anywhere">'
    "<b>@what</b><br>@took</div>"
)
