"""A raster of a whole run, however large: levels × places, each cell in one state's colour."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dask_serverless.dashboard.layout import TaskLayout
from dask_serverless.dashboard.moments import States
from dask_serverless.dashboard.states import BY_URGENCY, State
from planners.graph.arrays import Ids

COLUMNS, ROWS = 400, 240  # at most
EMPTY = len(State)  # in place of a state, where no task is

URGENCY = np.zeros(len(State), dtype=np.uint8)  # state → its place; later ones cover earlier ones
URGENCY[list(reversed(BY_URGENCY))] = np.arange(len(State))
BY_PLACE = np.array([*reversed(BY_URGENCY), EMPTY], dtype=np.uint8)

Image = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Raster:
    """Which cell each task is in. The window is (x0, x1, y0, y1) in the layout's coordinates."""

    window: tuple[float, float, float, float]
    columns: int
    rows: int
    tasks: Ids
    cells: npt.NDArray[np.int64]

    def image(self, states: States) -> Image:
        """The most urgent state of each cell."""
        image = np.zeros(self.columns * self.rows, dtype=np.uint8)
        urgency = URGENCY[states[self.tasks]] + 1
        np.maximum.at(image, self.cells, urgency)
        places = np.where(image == 0, len(State), image - 1)
        return BY_PLACE[places].reshape(self.rows, self.columns)

    def counts(self) -> npt.NDArray[np.int32]:
        counts = np.bincount(self.cells, minlength=self.columns * self.rows)
        return counts.reshape(self.rows, self.columns).astype(np.int32)


def raster_of(
    layout: TaskLayout, window: tuple[float, float, float, float] | None = None
) -> Raster:
    """Cells for a part of the layout, or for all of it."""
    x0, x1, y0, y1 = window = window or whole(layout)
    tasks = layout.within(x0, x1, y0, y1)
    columns = max(1, min(COLUMNS, round(x1 - x0)))
    widest = int(layout.widths.max(initial=1))
    rows = max(1, min(ROWS, widest))
    x = ((layout.levels[tasks] - x0) / (x1 - x0) * columns).astype(np.int64)
    y = ((layout.y[tasks] - y0) / (y1 - y0) * rows).astype(np.int64)
    x, y = np.clip(x, 0, columns - 1), np.clip(y, 0, rows - 1)
    return Raster(window, columns, rows, tasks, y * columns + x)


def whole(layout: TaskLayout) -> tuple[float, float, float, float]:
    return (-0.5, max(layout.depth, 1) - 0.5, 0.0, 1.0)
