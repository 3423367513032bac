"""Pacing: the pace that a run has to keep, as the store has it."""

from __future__ import annotations

from collections.abc import Sequence

from dask_serverless.coordination import resizing
from planners.cost.pace import Pace


def in_store(pace: Pace, sizes_mb: Sequence[int]) -> resizing.Pace | None:
    """Sizes by their numbers, times in milliseconds."""
    if not pace.due:
        return None
    return resizing.Pace(
        [sizes_mb.index(size_mb) for size_mb in pace.sizes_mb],
        [(int(1000 * seconds), bundles) for seconds, bundles in pace.due],
        int(1000 * pace.start_seconds),
        int(1000 * pace.patience_seconds),
    )
