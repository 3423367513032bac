"""Spread: by how much a percentile of what a container takes for many tasks is above their average.

Percentiles do not add up: of many calls in one container, the slow are among the fast. A graph that
was never run would be said to take what no run ever takes, and deadlines that hold be refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from planners.graph.arrays import Floats
from planners.graph.dag import Dag
from planners.numbers.predictions import Predictions, Sla, check_sla

COMMON = 0.1  # of what single tasks differ by, at least: the part that all of a run share
FURTHEST = 0.999  # no percentile is nearer to the longest of all


@dataclass(frozen=True, eq=False)
class Spread:
    """As if calls were independent, and came evenly over the containers, one after the other."""

    names: Sequence[str]
    predictions: Predictions
    calls: Floats  # by function, in each container
    deviations: float  # from the average at which the percentile of the longest container is

    def between(
        self,
        functions: npt.NDArray[np.int32],
        single: Floats,
        usual: Floats,
        samples: npt.NDArray[np.int64],
        memory_mb: int,
    ) -> Floats:
        """By task: from the percentile of a ``single`` one to that of a sum, as there are more.

        The average is not sure either: by function, it rests on so many ``samples``.
        """
        relative = np.array([self.predictions.deviation(name, memory_mb) for name in self.names])
        lone = 1 / np.sqrt(self.calls)
        left = np.sqrt(1 / self.calls + 1 / np.maximum(samples, 1))
        left = np.maximum(left, COMMON) if self.deviations > 0 else lone
        sums = (self.deviations * relative * left)[functions] * usual
        alone = lone[functions]
        return np.maximum(usual + (1 - alone) * sums + alone**2 * (single - usual), 0.0)


def spread_of(
    dag: Dag, names: Sequence[str], predictions: Predictions, sla: Sla, containers: int
) -> Spread | None:
    """None where containers are not known, or nothing but the average is asked for."""
    quantile = check_sla(sla)
    if quantile is None or not containers:
        return None
    of_all = min(max(quantile, 1 - FURTHEST) ** (1 / containers), FURTHEST)
    calls = np.bincount(dag.functions, minlength=len(names)) / containers
    return Spread(names, predictions, np.maximum(calls, 1.0), NormalDist().inv_cdf(of_all))
