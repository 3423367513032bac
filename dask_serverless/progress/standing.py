"""Where a run stands, in numbers, and how long it may still take; no store, no clock, no screen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from planners.graph.arrays import Floats

LEAST_SHARE = 0.02  # of the tasks: what fewer took says little about the others


@dataclass(frozen=True)
class Standing:
    """One moment of a run."""

    tasks: int
    done_tasks: int
    bundles: int
    done_bundles: int
    containers: int  # that have a bundle just now; once the run is over, that had one
    seconds: float  # since the submission
    left: float | None = None  # seconds; None: nobody knows
    over: bool = False

    @property
    def share(self) -> float:
        return self.done_tasks / self.tasks if self.tasks else 1.0


@dataclass(frozen=True, eq=False)
class Forecast:
    """What the plan said of the whole run: by when how many of its bundles would be finished."""

    seconds: float
    finished: Floats  # of each bundle, in order

    @staticmethod
    def of(planned: Any) -> Forecast | None:
        """From ``planned_times``, which are empty where nothing is known."""
        if not planned:
            return None
        return Forecast(float(planned["makespan"]), np.sort(planned["finished"]))

    def left(self, done_bundles: int, seconds: float) -> float:
        """A run that is late, or early, is taken to go on at the pace that it has shown."""
        if not done_bundles:
            return max(self.seconds - seconds, 0.0)
        planned = float(self.finished[min(done_bundles, len(self.finished)) - 1])
        pace = seconds / planned if planned > 0 else 1.0
        return max(self.seconds - planned, 0.0) * max(pace, 0.0)


def left(standing: Standing, forecast: Forecast | None) -> float | None:
    """By the plan where it was made from numbers, else by the share of tasks that are done."""
    if forecast is not None:
        return forecast.left(standing.done_bundles, standing.seconds)
    if standing.share < LEAST_SHARE:
        return None
    return standing.seconds * (1 - standing.share) / standing.share
