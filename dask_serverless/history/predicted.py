"""Predictions from the history: planners' measured numbers, and transfers by kind of place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

from dask_serverless.history.entry import (
    FUNCTION,
    OF_FUNCTIONS,
    OUTCOME,
    PICKLED,
    START,
    TRANSFER,
    UNPICKLED,
    Entries,
    Entry,
    key_of,
)
from dask_serverless.history.observations import DOWNLOAD, UPLOAD
from planners.numbers.measured import Measured, fit
from planners.numbers.outcomes import Outcome, Outcomes, Track
from planners.numbers.predictions import Cores, Line, Predictions, Sla, Unmeasured, check_sla
from planners.numbers.sketch import Sketch

BY_NAME = tuple([key_of(kind, "") for kind in (*OF_FUNCTIONS, OUTCOME)])


@dataclass(frozen=True, eq=False)
class Predicted(Measured):
    """``transfer`` answers for one kind of place; ``upload`` and ``download`` for all of them.

    Which place takes an output depends on its size, and so does a line through all transfers.
    """

    places: Mapping[tuple[str, str], Sketch] = field(default_factory=dict)
    platform: Mapping[str, Entry] = field(default_factory=dict)  # of all but functions, by key
    followed: Followed = field(default_factory=lambda: Followed({}, {}))

    def transfer(self, place: str, direction: str, sla: Sla = "average") -> Line:
        """Seconds to move bytes to or from a kind of place; of one never used, as of any."""
        quantile = check_sla(sla)
        sketch = self.places.get((place, direction))
        if not sketch:
            return self.upload(sla) if direction == UPLOAD else self.download(sla)
        return fit(sketch.column("input_bytes"), sketch.column("seconds"), quantile, sketch.weights)


class Followed:
    """What came of plans, by the signature of their graphs; looked up when a graph is planned."""

    def __init__(self, saved: Entries, unsaved: Entries) -> None:
        self.saved = saved
        self.unsaved = unsaved

    def outcomes(self, graph: str) -> Outcomes:
        prefix = key_of(OUTCOME, f"{graph} ")
        seconds, gb_seconds = {}, {}
        for key in {**self.saved, **self.unsaved}:
            if key.startswith(prefix):
                entry = entry_at(key, self.saved, self.unsaved)
                way = key.removeprefix(prefix)
                seconds[way] = track(entry, "input_bytes", "seconds")
                gb_seconds[way] = track(entry, "memory_mb", "output_bytes")
        return Outcomes(seconds, gb_seconds)


def track(entry: Entry | None, modelled: str, came: str) -> Track:
    """From the columns that ``Folding.outcomes`` puts them into."""
    if entry is None:
        return Track()
    rows = entry.sketch.in_order()
    return Track(
        [Outcome(*pair) for pair in zip(rows[modelled].tolist(), rows[came].tolist(), strict=True)]
    )


class Sketches(Mapping[str, Sketch]):
    """Functions' sketches of one kind by identity; those of a run that is not saved yet are merged
    when asked.
    """

    def __init__(self, kind: str, saved: Entries, unsaved: Entries) -> None:
        self.prefix = key_of(kind, "")
        self.saved = saved
        self.unsaved = unsaved
        self.made: dict[str, Sketch] = {}

    def get(self, name: str, default: Any = None) -> Any:
        """Of most functions nothing is known of one kind: an exception for each takes a while."""
        key = self.prefix + name
        return self[name] if key in self.saved or key in self.unsaved else default

    def __getitem__(self, name: str) -> Sketch:
        if name not in self.made:
            entry = entry_at(self.prefix + name, self.saved, self.unsaved)
            if entry is None:
                raise KeyError(name)
            self.made[name] = entry.sketch
        return self.made[name]

    def __iter__(self) -> Iterator[str]:
        prefix = self.prefix
        keys = dict.fromkeys([*self.saved, *self.unsaved])
        return iter([key.removeprefix(prefix) for key in keys if key.startswith(prefix)])

    def __len__(self) -> int:
        return len(list(iter(self)))


def predicted(
    saved: Entries,
    unsaved: Entries,
    fallback: Predictions | None = None,
    threads: float = 1.0,
    cores: Cores = (),
) -> Predicted:
    """Both as predictions; ``fallback`` answers, on zero samples, for what was never measured."""
    platform = {
        key: entry
        for key in {**saved, **unsaved}
        if not key.startswith(BY_NAME) and (entry := entry_at(key, saved, unsaved)) is not None
    }
    places: dict[tuple[str, str], Sketch] = {}
    for key, entry in platform.items():
        if key.startswith(prefix := key_of(TRANSFER, "")):
            place, _, direction = key.removeprefix(prefix).rpartition(" ")
            places[place, direction] = entry.sketch
    return Predicted(
        functions=Sketches(FUNCTION, saved, unsaved),
        packings=Sketches(PICKLED, saved, unsaved),
        unpackings=Sketches(UNPICKLED, saved, unsaved),
        uploads=all_of(places, UPLOAD),
        downloads=all_of(places, DOWNLOAD),
        cold_starts=sketch_at(key_of(START, "cold"), platform),
        warm_starts=sketch_at(key_of(START, "warm"), platform),
        fallback=fallback or Unmeasured(),
        threads=threads,
        cores=cores,
        places=places,
        platform=platform,
        followed=Followed(saved, unsaved),
    )


def entry_at(key: str, saved: Entries, unsaved: Entries) -> Entry | None:
    one, other = saved.get(key), unsaved.get(key)
    return one.merge(other) if one and other else one or other


def sketch_at(key: str, entries: Entries) -> Sketch:
    return entries[key].sketch if key in entries else Sketch()


def all_of(places: Mapping[tuple[str, str], Sketch], direction: str) -> Sketch:
    found = [sketch for (_, each), sketch in places.items() if each == direction]
    return reduce(Sketch.merge, found, Sketch())
