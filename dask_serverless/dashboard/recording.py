"""Recording: pages at many moments of a run, for a slider where nobody answers the browser.

Whatever a page draws stands in the columns of its sources. Those that change from one moment to
another are kept as they were at each, and the browser puts them back.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from bokeh.layouts import row
from bokeh.models import ColumnDataSource, CustomJS, Slider

from dask_serverless.dashboard.pages.page import Page
from dask_serverless.dashboard.replay import LEAST_SECONDS
from dask_serverless.dashboard.style import widget_sheet
from dask_serverless.dashboard.view import Moment, View

MOST_MOMENTS, LEAST_MOMENTS = 60, 12
MOST_CELLS = 2_000_000  # states of single tasks that one recording holds: a byte each
SHOW = """
const moment = Math.round(cb_obj.value / cb_obj.step)
for (const [source, columns] of recorded) {
  const data = {...source.data}
  for (const [name, values, places] of columns) data[name] = values[places[moment]]
  source.data = data
}
"""


def times_of(view: View, runs: int) -> Sequence[float]:
    """Evenly over the run; fewer of a large one, and of each of several in one file."""
    fitting = MOST_CELLS // max(view.structure.tasks, 1)
    count = int(np.clip(min(fitting, MOST_MOMENTS // runs), LEAST_MOMENTS, MOST_MOMENTS))
    end = max(view.series.end, LEAST_SECONDS)
    return [end * number / count for number in range(count + 1)]


class Recording:
    """Of one page; it shows the last moment when it is done."""

    def __init__(self, page: Page, moments: Sequence[tuple[float, Moment]]) -> None:
        sources = page.root.select({"type": ColumnDataSource})
        self.sources: list[Any] = [each for each in sources if "by itself" not in each.tags]
        self.columns: dict[tuple[int, str], Column] = {}
        for _, moment in moments:
            page.update(moment)
            self.note()
        end = moments[-1][0]
        self.slider = Slider(
            start=0, end=end, value=end, step=end / (len(moments) - 1), title="time (s)",
            format="0[.]000", name=f"replay of {page.path}", sizing_mode="stretch_width", margin=(0, 15, 4, 15),
            stylesheets=[widget_sheet()],
        )  # fmt: skip
        self.slider.js_on_change(
            "value", CustomJS(args={"recorded": list(self.changing())}, code=SHOW)
        )
        self.root = row(self.slider, sizing_mode="stretch_width")

    def note(self) -> None:
        for number, source in enumerate(self.sources):
            for name, values in source.data.items():
                self.columns.setdefault((number, name), Column()).add(values)

    def changing(self) -> Iterator[tuple[Any, list[Any]]]:
        """(source, (name, values, which of them at each moment) of each column that changes)."""
        changes = {source for (source, _), each in self.columns.items() if len(each.values) > 1}
        for number in sorted(changes):
            mine = [
                (name, each.values, each.places)
                for (source, name), each in self.columns.items()
                if source == number and len(each.values) > 1
            ]
            yield self.sources[number], mine


class Column:
    """What a column held, each time something else once."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self.places: list[int] = []  # of each moment, in ``values``

    def add(self, values: Any) -> None:
        """A copy: sources are patched in place."""
        if not (self.values and same(self.values[-1], values)):
            self.values.append(np.array(values) if isinstance(values, np.ndarray) else list(values))
        self.places.append(len(self.values) - 1)


def same(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray) or any(isinstance(each, np.ndarray) for each in one):
        return bool(np.array_equal(one, other))
    return list(one) == list(other)
