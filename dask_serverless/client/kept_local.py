"""Kept local: outputs that stayed in their container though no annotation of the plan asked for it.

Containers see for themselves which these are. A plan by numbers counts on it; the same reckoning,
with the bytes that were not stored, says what came of that: they would have been stored, and fetched.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from dask_serverless.client.rates import Rates
from dask_serverless.client.report import Asked
from planners.graph.arrays import Floats, sums
from planners.numbers.predictions import transfer_seconds
from planners.plans.annotations import CheckFanIn, HoldOutput, KeepChildren

if TYPE_CHECKING:
    from dask_serverless.client.report import RunReport
    from planners.cost.timeline import Timeline
    from planners.numbers.workload import Workload

ASKED_FOR = (CheckFanIn, HoldOutput, KeepChildren)


class KeptLocal:
    """Of one run, with the annotations of its plan."""

    def __init__(self, report: RunReport, notes: Iterable[object]) -> None:
        self.report = report
        self.asked_for = [note.bundle for note in notes if isinstance(note, ASKED_FOR)]

    @cached_property
    def nbytes(self) -> Floats:
        """Of each bundle that kept something."""
        rows = self.report.course.rows
        mine = (rows["kept"] > 0) & ~np.isin(rows["bundle"], self.asked_for)
        return rows["kept"][mine].astype(np.float64)

    @property
    def asked(self) -> Asked:
        outlook = self.report.foreseen() if self.report.foreseen and len(self.nbytes) else None
        if outlook is None or not outlook.known:
            return Asked(len(self.nbytes), 0.0)
        rates = Rates(self.report, outlook)
        saved = worth(rates, self.nbytes)
        assumed = "transfers" if rates.assumed else ""
        if self.report.by_numbers is None:  # nobody had planned on it
            return Asked(len(self.nbytes), 0.0, saved, assumed)
        planned = foreseen_bytes(outlook.timeline)
        planned[self.asked_for] = 0.0
        return Asked(len(self.nbytes), worth(outlook.workload, planned), saved, assumed)


def worth(rates: Rates | Workload, nbytes: Floats) -> float:
    """Seconds that it takes to store and to fetch them."""
    storing, fetching = (transfer_seconds(line, nbytes) for line in (rates.upload, rates.download))
    return float((storing + fetching).sum())


def foreseen_bytes(timeline: Timeline) -> Floats:
    """Of each bundle, what its container does not store by the forecast."""
    layout, container = timeline.layout, timeline.container
    tasks = np.unique(layout.crossings.tasks)
    tasks = tasks[~layout.stored[tasks]]
    sizes = timeline.workload.output_bytes[tasks]
    large = sizes > timeline.platform.inline_bytes  # smaller ones are never kept
    sizes = np.where(large, sizes, 0.0)
    kept = sums(timeline.plan.bundles[tasks], sizes, layout.bundles)
    for bundle, child, nbytes in layout.asks(timeline.platform.ask_bytes):
        if container[bundle] == container[child]:
            kept[bundle] = max(kept[bundle], nbytes)
    return kept
