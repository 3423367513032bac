"""Elsewhere: what is known of tasks, beside the numbers of a backend that is made up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from dask_serverless.simulation.model import BackendModel
from planners.auto import Auto
from planners.cost.model import CostModel
from planners.cost.platform import Platform
from planners.numbers.predictions import Line, Lines, Predictions, Sla, check_sla
from planners.plans.checked import CheckedPlanner
from planners.plans.plan import Planner


@dataclass(frozen=True, eq=False)
class Elsewhere(Predictions):
    """Tasks take and leave what they do here; starts and transfers take what they do there."""

    here: Predictions
    there: BackendModel

    def knows(self, functions: Sequence[str]) -> bool:
        return self.here.knows(functions)

    def knows_all(self, functions: Sequence[str]) -> bool:
        return self.here.knows_all(functions)

    def least(self) -> Predictions:
        return replace(self, here=self.here.least())

    def seconds(self, function: str, memory_mb: int, sla: Sla = "average") -> Line:
        return self.here.seconds(function, memory_mb, sla)

    def output_bytes(self, function: str, sla: Sla = "average") -> Line:
        return self.here.output_bytes(function, sla)

    def peak_bytes(self, function: str, sla: Sla = "average") -> Line:
        return self.here.peak_bytes(function, sla)

    def packing(self, function: str, sla: Sla = "average") -> Line:
        return self.here.packing(function, sla)

    def unpacking(self, function: str, sla: Sla = "average") -> Line:
        return self.here.unpacking(function, sla)

    def deviation(self, function: str, memory_mb: int) -> float:
        return self.here.deviation(function, memory_mb)

    def seconds_lines(self, functions: Sequence[str], memory_mb: int, sla: Sla) -> Lines:
        return self.here.seconds_lines(functions, memory_mb, sla)

    def output_lines(self, functions: Sequence[str], sla: Sla) -> Lines:
        return self.here.output_lines(functions, sla)

    def peak_lines(self, functions: Sequence[str], sla: Sla) -> Lines:
        return self.here.peak_lines(functions, sla)

    def upload(self, sla: Sla = "average") -> Line:
        check_sla(sla)
        return self.there.upload_line

    def download(self, sla: Sla = "average") -> Line:
        check_sla(sla)
        return self.there.download_line

    def cold_start(self, memory_mb: int, sla: Sla = "average") -> Line:
        """From being asked for on, as planners have it."""
        return Line(self.there.invocation + self.there.cold_start_of(check_sla(sla)))

    def warm_start(self, memory_mb: int, sla: Sla = "average") -> Line:
        check_sla(sla)
        return Line(self.there.invocation + self.there.warm_start)


def elsewhere(here: CostModel, there: BackendModel) -> CostModel:
    """What came of earlier runs came of them here, and says nothing of what would come there."""
    return CostModel(Elsewhere(here.predictions, there), platform(here.platform, there), here.sla)


def platform(here: Platform, there: BackendModel) -> Platform:
    """Its sizes, and what containers take over their tasks' own time, are those from here."""
    sizes = sorted({*here.memory_sizes_mb, here.default_memory_mb})
    return replace(
        here,
        warm=tuple([(size, there.warm) for size in sizes]),
        idle_seconds=there.keep_alive,
        publish_seconds=there.store_rtt + there.store_service,
        prices=there.prices,
    )


def unhurried(planner: Planner) -> Planner:
    """One whose plan does not depend on how busy this machine is."""
    if isinstance(planner, CheckedPlanner):
        return replace(planner, planner=unhurried(planner.planner))
    return replace(planner, clock=None) if isinstance(planner, Auto) else planner
