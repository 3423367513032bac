"""What predictions rest on, as rows for people and programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np

from dask_serverless.history.entry import (
    FUNCTION,
    OF_FUNCTIONS,
    PAID,
    PROCESSOR,
    Entries,
    Entry,
    kind_and_name,
)

P90 = 0.9
SIZES = {FUNCTION: "output_bytes", PAID: "peak_bytes", PROCESSOR: "peak_bytes"}


@dataclass(frozen=True)
class Row:
    """One entry: all calls counted, and what the samples among them say."""

    key: str
    kind: str
    name: str
    calls: int
    samples: int
    mean_seconds: float
    p90_seconds: float
    output_bytes: float  # on average; of a transfer, the bytes moved; of containers, their peaks
    seen: float  # seconds since 1970

    @staticmethod
    def of(key: str, entry: Entry) -> Row:
        kind, name = kind_and_name(key)
        sketch = entry.sketch
        size = sketch.column(SIZES.get(kind, "input_bytes"))
        seconds = sketch.column("seconds")
        return Row(
            key=key,
            kind=kind,
            name=name,
            calls=entry.calls,
            samples=len(sketch),
            mean_seconds=entry.seconds / max(entry.calls, 1),
            p90_seconds=float(np.quantile(seconds, P90)) if len(seconds) else 0.0,
            output_bytes=float(size.mean()) if len(size) else 0.0,
            seen=entry.seen,
        )


def rows_of(entries: Entries) -> list[Row]:
    """Functions first, those that took longest in all before others."""
    rows = [Row.of(key, entry) for key, entry in entries.items()]
    return sorted(
        rows, key=lambda r: (r.kind != FUNCTION, r.kind, -r.calls * r.mean_seconds, r.name)
    )


def matching(rows: Sequence[Row], pattern: str) -> list[Row]:
    """The functions that a pattern means: in full, without the hash, or their last names alone.

    ``*`` and ``?`` stand for anything; without them it must be a whole name.
    """
    return [
        row
        for row in rows
        if row.kind in OF_FUNCTIONS
        and any(name == pattern or fnmatchcase(name, pattern) for name in names_of(row.name))
    ]


def names_of(identity: str) -> set[str]:
    name = identity.partition("#")[0]
    return {identity, name, name.rpartition(".")[2]}
