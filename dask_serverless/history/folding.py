"""From observations to entries; what cannot be a measurement is dropped, and counted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dask_serverless.history.entry import (
    BUNDLE,
    FUNCTION,
    OUTCOME,
    PAID,
    PICKLED,
    PROCESSOR,
    PUBLISH,
    START,
    TRANSFER,
    UNPICKLED,
    Entries,
    Entry,
    key_of,
    size_name,
)
from dask_serverless.history.observations import DOWNLOAD, UPLOAD, Calls, Observations
from planners.numbers.sketch import Sketch

# Beyond these a number says something of a clock that jumped or a counter that broke, and one of
# them would spoil a function's average for a long time.
MOST_SECONDS = 30 * 86400.0  # of one call
MOST_WAIT_SECONDS = 3600.0  # of a transfer, a start or a publish
MOST_BYTES = 1e15
MOST_MEMORY_MB = 1e9
MOST_CALLS = 1e12
LONGEST_NAME = 300  # characters
LONGEST_PLACE = 40
SLACK = 1.001  # totals and samples are rounded separately

Row = tuple[float, float, float, float, float]
LIMITS = (MOST_MEMORY_MB, MOST_BYTES, MOST_SECONDS, MOST_BYTES, MOST_BYTES)
WAIT_LIMITS = (MOST_MEMORY_MB, MOST_BYTES, MOST_WAIT_SECONDS, MOST_BYTES, MOST_BYTES)


def fold(runs: Iterable[Observations], now: float, source: int) -> tuple[Entries, int]:
    """The entries that some runs' observations make, and how many numbers were dropped.

    ``source`` tells these samples from equal ones of other runs: another number each time.
    """
    folding = Folding()
    for observations in runs:
        for name, calls in observations.functions.items():
            folding.function(name, calls)
        folding.platform(observations)
        folding.packings(observations)
        folding.outcomes(observations)
        folding.uses(observations)
    entries = {
        key: Entry(calls, seconds, now, Sketch().add(rows, source, now))
        for key, (calls, seconds, rows) in folding.sums.items()
    }
    return entries, folding.dropped


class Folding:
    """One walk over observations."""

    def __init__(self) -> None:
        self.sums: dict[str, tuple[int, float, list[Row]]] = {}  # calls, seconds, samples
        self.dropped = 0

    def function(self, name: Any, told: Calls) -> None:
        calls, seconds, samples = told
        totals = believable((calls, seconds), (MOST_CALLS, MOST_CALLS * MOST_SECONDS))
        if not (is_name(name) and totals and calls >= 1):
            self.dropped += 1 + len(samples)
            return
        longest = seconds * SLACK  # a call that took longer than all calls: a clock jumped
        rows = self.usable(samples, (*LIMITS[:2], min(MOST_SECONDS, longest), *LIMITS[3:]))
        self.add(FUNCTION, name, int(calls), float(seconds), rows)

    def packings(self, observations: Observations) -> None:
        rows: dict[tuple[str, str], list[Row]] = {}
        for name, direction, size, seconds in observations.packings:
            if not is_name(name):
                self.dropped += 1
                continue
            kind = PICKLED if direction == UPLOAD else UNPICKLED
            rows.setdefault((kind, name), []).append((0.0, size, seconds, 0.0, 0.0))
        self.waits(rows)

    def platform(self, observations: Observations) -> None:
        waits: dict[tuple[str, str], list[Row]] = {}
        for place, direction, size, seconds in observations.transfers:
            if direction in (UPLOAD, DOWNLOAD):
                rows = waits.setdefault((TRANSFER, f"{str(place)[:LONGEST_PLACE]} {direction}"), [])
                rows.append((0.0, size, seconds, 0.0, 0.0))
            else:
                self.dropped += 1
        for cold, seconds, memory_mb in observations.starts:
            rows = waits.setdefault((START, "cold" if cold else "warm"), [])
            rows.append((memory_mb, 0.0, seconds, 0.0, 0.0))
        for seconds in observations.publishes:
            rows = waits.setdefault((PUBLISH, "round trip"), [])
            rows.append((0.0, 0.0, seconds, 0.0, 0.0))
        for tasks, seconds in observations.overheads:
            rows = waits.setdefault((BUNDLE, "overhead"), [])
            rows.append((0.0, tasks, seconds, 0.0, 0.0))
        self.waits(waits)

    def waits(self, by_name: Mapping[tuple[str, str], list[Row]]) -> None:
        """Rows by kind and name, in which seconds are over bytes, or over nothing."""
        for (kind, name), rows in by_name.items():
            if found := self.usable(rows, WAIT_LIMITS):
                self.add(kind, name, len(found), sum(row[2] for row in found), found)

    def outcomes(self, observations: Observations) -> None:
        """In the columns of a sample, what was modelled is where inputs are: it is what was known."""
        for graph, way, modelled, seconds, modelled_gb_seconds, gb_seconds in observations.followed:
            row = (modelled_gb_seconds, modelled, seconds, gb_seconds, 0.0)
            name = f"{graph} {way}"[:LONGEST_NAME]
            if found := self.usable([row], LIMITS):
                self.add(OUTCOME, name, len(found), seconds, found)

    def uses(self, observations: Observations) -> None:
        """In the columns of a sample, processor time is where outputs are."""
        for memory_mb, cold, seconds, cpu_seconds, peak_bytes in observations.uses:
            size = size_name(memory_mb)
            row = (memory_mb, 0.0, seconds, cpu_seconds, peak_bytes)
            if found := self.usable([row], LIMITS):
                self.add(PAID, f"{size} {'cold' if cold else 'warm'}", 1, seconds, found)
                spent = [(memory_mb, 0.0, cpu_seconds, 0.0, peak_bytes)]
                self.add(PROCESSOR, size, 1, cpu_seconds, spent)

    def usable(self, rows: Iterable[Row], limits: Row) -> list[Row]:
        rows = list(rows)
        found = [row for row in rows if believable(row, limits)]
        self.dropped += len(rows) - len(found)
        return found

    def add(self, kind: str, name: str, calls: int, seconds: float, rows: list[Row]) -> None:
        key = key_of(kind, name)
        before, spent, known = self.sums.get(key, (0, 0.0, []))
        self.sums[key] = (before + calls, spent + seconds, known + rows)


def is_name(name: Any) -> bool:
    """Of a function."""
    return isinstance(name, str) and 0 < len(name) <= LONGEST_NAME


def believable(numbers: tuple[float, ...], limits: tuple[float, ...]) -> bool:
    """Whether all are numbers from 0 to their limits; NaN is in no range."""
    try:
        return len(numbers) == len(limits) and all(
            0 <= number <= limit for number, limit in zip(numbers, limits, strict=True)
        )
    except (TypeError, ValueError):  # no number at all
        return False
