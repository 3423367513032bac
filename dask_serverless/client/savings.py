"""Savings: what the optimizations of a plan have saved, as far as what came tells it.

By the same reckoning as the plan's own, with the bytes that there were and the containers that ran
what: an output that was stored all the same, or taken elsewhere, has saved nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cached_property
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from dask_serverless.client.evidence import Copied, asked_ahead
from dask_serverless.client.optimizations import optimization_of
from dask_serverless.client.rates import Rates
from planners.numbers.predictions import Line
from planners.plans.annotations import (
    Annotation,
    CheckFanIn,
    DuplicateTask,
    HoldOutput,
    KeepChildren,
    StartContainers,
)
from planners.plans.crossings import Crossings

if TYPE_CHECKING:
    from dask_serverless.client.report import RunReport
    from planners.cost.outlook import Outlook

BY_TRANSFERS = ("clustering", "delayed_io", "task_dup")  # reckoned with what these would have taken


class Savings:
    """Of one run whose plan is known."""

    def __init__(self, report: RunReport, outlook: Outlook) -> None:
        self.report = report
        self.evidence = report.evidence
        self.outlook = outlook
        self.plan, self.workload = outlook.plan, outlook.workload
        self.memory_mb = outlook.model.platform.default_memory_mb
        self.rates = Rates(report, outlook)
        self.starts_assumed = False

    def assumed(self, name: str) -> str:
        """What the savings by an optimization rest on though nobody has measured it."""
        if name == "prewarm":
            return "starts" if self.starts_assumed else ""
        return "transfers" if name in BY_TRANSFERS and self.rates.assumed else ""

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
                line = self.rates.upload if self.rates.upload.samples else Line(*note.upload)
                upload = line.at(kept) if kept else 0.0
                return max(here - 1, 0) * (upload + note.start_seconds)
            case CheckFanIn():
                kept = self.kept_for(note.bundle, note.child)
                return self.rates.upload.at(kept) if kept else 0.0
            case HoldOutput():
                if not (kept := self.kept_for(note.bundle, note.child)):
                    return 0.0
                worth = self.rates.upload.at(kept) + self.rates.download.at(kept)
                worth += self.outlook.timeline.layout.repacking(note.bundle, note.child)
                return max(worth - (note.wait_seconds - note.saves_seconds), 0.0)
            case DuplicateTask():
                return self.by_copy(note)
            case StartContainers():
                return self.by_start(note)
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

    # copies of tasks

    def by_copy(self, note: DuplicateTask) -> float | None:
        """The transfer that it was run for, less what it took; negative, where that was more.

        Where its maker turned out to be the same container, it would have had it from memory.
        """
        if self.evidence is None:
            return None
        took = self.evidence.of_task(note.task) or self.foretold(note)
        upload, download = self.rates.upload, self.rates.download
        inputs, output = took.input_bytes / took.samples, took.output_bytes / took.samples
        avoided = 0.0
        if not self.same_container(int(self.plan.bundles[note.task]), note.bundle):
            avoided = download.at(output) + float(self.workload.unpacking[note.task])
            if note.task in self.never_stored:
                stored = upload.at(output) + float(self.workload.packing[note.task])
                avoided += stored / self.copies[note.task]
        return avoided - took.seconds / took.calls - (download.at(inputs) if inputs else 0.0)

    def foretold(self, note: DuplicateTask) -> Copied:
        """Where no call of it was measured, as the plan had it."""
        task, memory_mb = note.task, int(self.plan.memory_mb[note.bundle]) or self.memory_mb
        sizes = float(self.workload.input_bytes[task]), float(self.workload.output_bytes[task])
        return Copied(1, float(self.workload.seconds(memory_mb)[task]), 1, *sizes)

    @cached_property
    def copies(self) -> Counter[int]:
        return Counter(note.task for note in self.notes(DuplicateTask))

    @cached_property
    def never_stored(self) -> set[int]:
        """Copied tasks whose output is left to nobody else."""
        dag, notes = self.workload.dag, self.notes(DuplicateTask)
        crossings = Crossings.of(dag, self.plan.bundles, len(self.plan.slots), notes)
        stored = dag.wanted.copy()
        stored[crossings.tasks] = True
        copied = np.array(list(self.copies), dtype=np.int64)
        return set(copied[~stored[copied]].tolist())

    def notes(self, kind: type[DuplicateTask]) -> Sequence[DuplicateTask]:
        return [note for note in self.plan.annotations if isinstance(note, kind)]

    # containers started ahead

    def by_start(self, note: StartContainers) -> float | None:
        """A cold start, less what bundles waited for the containers that were there instead.

        These are the new ones that came soonest, as many as all notes of the plan have asked for:
        by which of them each came, nobody can tell. One that was not needed has saved nothing.
        """
        if self.evidence is None:
            return None
        ahead = asked_ahead(self.plan.annotations)
        begun_by = self.report.course.name_of(self.ran_by.get(note.trigger, -1))
        waits = {**self.evidence.cold_waits}
        others = [waits.pop(begun_by)] if begun_by in waits else []  # it was there before
        in_order = sorted(waits.values())
        others += in_order[ahead:]
        cold = median(others) if others else self.foretold_start(note.memory_mb)
        return sum(max(cold - waited, 0.0) for waited in in_order[:ahead]) / max(ahead, 1)

    def foretold_start(self, memory_mb: int) -> float:
        """Where no new container came by itself, as the plan had it."""
        line = self.workload.predictions.cold_start(memory_mb, self.workload.sla)
        self.starts_assumed |= not line.samples
        return self.workload.cold_start(memory_mb)
