"""Evidence: sums of what containers measured, for optimizations of which nothing else tells.

A copy of a task leaves no trace of the transfer that it was run for, and a container that was asked
for ahead none of the start that nobody waited for: what these would have taken is reckoned from the
copies' own sizes, and from transfers and starts of the same run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from statistics import median

from dask_serverless.translation.translate import Translation
from dask_serverless.worker.told import Finished, Kind, Measured, Moved, Taken
from planners.numbers.predictions import Line
from planners.plans.annotations import DuplicateTask, StartContainers
from planners.plans.plan import Plan

LEAST_BYTES = 1 << 18  # of a transfer: smaller ones take little more than a round trip


@dataclass
class Copied:
    """What tasks of one kind took and gave."""

    calls: int = 0
    seconds: float = 0.0
    samples: int = 0
    input_bytes: float = 0.0
    output_bytes: float = 0.0

    def add(self, taken: Taken) -> None:
        self.calls += taken.calls
        self.seconds += taken.seconds
        self.samples += len(taken.samples)
        self.input_bytes += sum([sample.input_bytes for sample in taken.samples])
        self.output_bytes += sum([sample.output_bytes for sample in taken.samples])


@dataclass
class Transferred:
    """Large transfers in one direction."""

    nbytes: int = 0
    seconds: float = 0.0
    count: int = 0

    def add(self, moved: Moved) -> None:
        self.nbytes += moved.nbytes
        self.seconds += moved.seconds
        self.count += 1

    def line(self, planned: Line, round_trip: float) -> Line:
        """At this run's rate; without any, as the plan had it."""
        if not self.nbytes:
            return planned
        per_byte = max(self.seconds - round_trip * self.count, 0.0) / self.nbytes
        return Line(round_trip, per_byte, self.count)


@dataclass
class Transfers:
    """Those of one run that were measured, where outputs are large."""

    up: Transferred = field(default_factory=Transferred)
    down: Transferred = field(default_factory=Transferred)
    round_trips: list[float] = field(default_factory=list)

    def add(self, measured: Measured) -> None:
        for moved in measured.moved:
            if moved.nbytes >= LEAST_BYTES:
                (self.up if moved.up else self.down).add(moved)
        if measured.round_trip >= 0:
            self.round_trips.append(measured.round_trip)

    def upload(self, planned: Line) -> Line:
        return self.up.line(planned, self.round_trip(planned))

    def download(self, planned: Line) -> Line:
        return self.down.line(planned, self.round_trip(planned))

    def round_trip(self, planned: Line) -> float:
        return median(self.round_trips) if self.round_trips else planned.base


@dataclass
class Evidence:
    """Of one run. ``kinds`` are those of the tasks that are copied."""

    kinds: Mapping[int, Kind]
    taken: dict[Kind, Copied] = field(default_factory=dict)
    cold_waits: dict[str, float] = field(default_factory=dict)  # of new containers, by name

    @staticmethod
    def wanted_by(plan: Plan, translation: Translation) -> Evidence | None:
        """None, where the plan asks for nothing of which only this tells."""
        copies = [note.task for note in plan.annotations if isinstance(note, DuplicateTask)]
        if not copies and not asked_ahead(plan.annotations):
            return None
        return Evidence({task: kind_of(translation, task) for task in set(copies)})

    def add(self, told: Finished) -> None:
        if (measured := told.measured) is None:
            return
        for kind, taken in measured.kinds:
            if kind in self.copied:
                self.taken.setdefault(kind, Copied()).add(taken)
        if told.cold and measured.waited >= 0:
            self.cold_waits[told.container] = measured.waited

    @cached_property
    def copied(self) -> set[Kind]:
        return set(self.kinds.values())

    def of_task(self, task: int) -> Copied | None:
        """None, where none of its calls was measured."""
        found = self.taken.get(self.kinds.get(task, ()))
        return found if found is not None and found.samples else None


def kind_of(translation: Translation, task: int) -> Kind:
    """As containers tell it."""
    first = translation.first_steps
    steps = slice(task, task + 1) if first is None else slice(first[task], first[task + 1])
    return tuple([step[1] for step in translation.steps[steps]])


def asked_ahead(notes: Iterable[object]) -> int:
    """How many containers a plan has started before they are needed."""
    return sum(note.containers for note in notes if isinstance(note, StartContainers))
