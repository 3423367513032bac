"""Savings: what the optimizations of a plan have saved, as far as what came tells it.

By the same reckoning as the plan's own, with the bytes that there were and the containers that ran
what: an output that was stored all the same, or taken elsewhere, has saved nothing. How long a start
or the download of what was computed anew instead would have taken, nobody knows.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING

from dask_serverless.client.optimizations import optimization_of
from planners.numbers.predictions import Line
from planners.plans.annotations import (
    Annotation,
    CheckFanIn,
    HoldOutput,
    KeepChildren,
)

if TYPE_CHECKING:
    from dask_serverless.client.report import RunReport
    from planners.cost.outlook import Outlook


class Savings:
    """Of one run whose plan is known."""

    def __init__(self, report: RunReport, outlook: Outlook) -> None:
        self.report = report
        self.workload = outlook.workload

    def by_name(self, notes: Iterable[object]) -> dict[str, float]:
        """Seconds, by the name of the optimization; those that nothing tells of are missing."""
        found = {
            "preload": self.report.preloaded_seconds,
            "streaming": self.report.streamed_seconds,
        }
        for note in notes:
            if isinstance(note, Annotation) and (saved := self.of(note)) is not None:
                name = optimization_of(note)
                found[name] = found.get(name, 0.0) + saved
        return found

    def of(self, note: Annotation) -> float | None:
        match note:
            case KeepChildren():
                here = sum(self.same_container(note.bundle, child) for child in note.children)
                kept = self.kept.get(note.bundle, 0)
                upload = Line(*note.upload).at(kept) if kept else 0.0
                return max(here - 1, 0) * (upload + note.start_seconds)
            case CheckFanIn():
                kept = self.kept_for(note.bundle, note.child)
                return self.workload.upload.at(kept) if kept else 0.0
            case HoldOutput():
                if not (kept := self.kept_for(note.bundle, note.child)):
                    return 0.0
                worth = self.workload.upload.at(kept) + self.workload.download.at(kept)
                return max(worth - (note.wait_seconds - note.saves_seconds), 0.0)
        return None

    @cached_property
    def kept(self) -> dict[int, int]:
        """By bundle, the bytes that were not stored."""
        rows = self.report.course.rows
        rows = rows[rows["kept"] > 0]
        return dict(zip(rows["bundle"].tolist(), rows["kept"].tolist(), strict=True))

    @cached_property
    def ran_by(self) -> dict[int, int]:
        rows = self.report.course.rows
        return dict(zip(rows["bundle"].tolist(), rows["container"].tolist(), strict=True))

    def same_container(self, bundle: int, other: int) -> bool:
        return self.ran_by.get(bundle, -1) == self.ran_by.get(other, -2)

    def kept_for(self, bundle: int, child: int) -> int:
        return self.kept.get(bundle, 0) if self.same_container(bundle, child) else 0
