"""Summary: where the time of a predicted run goes, in a few lines for people."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from planners.cost.timeline import Timeline
from planners.plans.succession import NONE
from planners.plans.tables import in_bytes


@dataclass(frozen=True)
class LongestPath:
    """What the bundles that delay one another up to the makespan do with their time, in seconds."""

    bundles: int
    starting: float  # of containers that the path waits for
    fetching: float
    running: float
    storing: float  # and publishing

    @staticmethod
    def of(timeline: Timeline) -> LongestPath:
        path = np.array(timeline.critical_path, dtype=np.int64)
        before = timeline.cause[path]
        came = np.where(before == NONE, 0.0, timeline.finished[before])
        executed = timeline.layout.exec_seconds[path]
        stored = timeline.finished[path] - timeline.fetched[path] - executed
        return LongestPath(
            bundles=len(path),
            starting=float((timeline.begun[path] - came).sum()),
            fetching=float((timeline.fetched[path] - timeline.begun[path]).sum()),
            running=float(executed.sum()),
            storing=float(stored.sum()),
        )

    def __str__(self) -> str:
        parts = ("starting", "fetching", "running", "storing")
        shares = ", ".join(f"{getattr(self, part):.3f} s {part}" for part in parts)
        return f"longest path: {self.bundles} bundles, {shares}"


def busy_share(timeline: Timeline) -> float:
    """Of the time that containers are there, how much they spend on bundles."""
    containers = timeline.containers
    there = float((containers.ended - containers.invoked).sum())
    busy = float((timeline.finished - timeline.begun).sum())
    return busy / there if there else 0.0


def summary(timeline: Timeline) -> str:
    """Time, what it consists of, containers, cost."""
    containers = len(timeline.containers.invoked)
    moved = in_bytes(timeline.bytes_moved)
    return "\n".join(
        (
            f"{timeline.makespan_seconds:.3f} s, {LongestPath.of(timeline)}",
            f"containers: {containers} started, {timeline.cold_starts} of them cold, busy "
            f"{busy_share(timeline):.0%} of their time",
            f"cost: {timeline.cost:.6f} for {timeline.gb_seconds:.3f} GB s and {moved} moved",
        )
    )
