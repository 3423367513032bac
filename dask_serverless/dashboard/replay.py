"""Replay: a slider over a run's time; at its right end the page is live."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bokeh.layouts import row
from bokeh.models import Button, Slider

from dask_serverless.dashboard.seen import NEVER
from dask_serverless.dashboard.style import widget_sheet
from dask_serverless.dashboard.view import Moment, View

STEPS = 500
LEAST_SECONDS = 1e-3


class Replay:
    def __init__(self, view: View, redraw: Callable[[], None]) -> None:
        self.view = view
        self.redraw = redraw
        self.at = NEVER
        self.setting = False  # whether the slider moves by itself just now
        end = self.end()
        self.slider = Slider(
            start=0, end=end, value=end, step=end / STEPS, title="time (s)", format="0[.]000",
            name="replay", sizing_mode="stretch_width", show_value=True, margin=(0, 15, 4, 15),
            stylesheets=[widget_sheet()],
        )  # fmt: skip
        self.live = Button(
            label="live", width=70, button_type="success", name="live", stylesheets=[widget_sheet()]
        )
        self.slider.on_change("value", self.moved)
        self.live.on_click(self.go_live)
        self.root = row(self.slider, self.live, sizing_mode="stretch_width")

    def end(self) -> float:
        return max(self.view.series.end, LEAST_SECONDS)

    def moved(self, attribute: str, old: Any, new: float) -> None:
        if not self.setting:
            self.at = new
            self.live.button_type = "default"
            self.redraw()

    def go_live(self) -> None:
        self.at = NEVER
        self.live.button_type = "success"
        self.redraw()

    def moment(self) -> Moment:
        """What to show: the slider keeps up with a run that goes on."""
        end = self.end()
        self.live.label = "live" if self.view.series.goes_on else "end"
        if end != self.slider.end:
            self.setting = True
            try:
                self.slider.update(end=end, step=end / STEPS)
                if self.at == NEVER:
                    self.slider.value = end
            finally:
                self.setting = False
        elif self.at == NEVER and self.slider.value != end:
            self.setting = True
            try:
                self.slider.value = end
            finally:
                self.setting = False
        return self.view.moment(self.at)
