"""Functions: what the plan counted on for a call of each, and why, beside what its calls took."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dask_serverless.client.structure import Structure
from dask_serverless.dashboard.groups import shortened
from dask_serverless.dashboard.numbers import in_seconds, signed
from dask_serverless.dashboard.seen import NEVER
from dask_serverless.dashboard.series import Series
from dask_serverless.dashboard.tables import table

MOST_ROWS = 100
COLUMNS = (
    "function", "tasks ", "predicted, mean ", "samples ", "timed ", "measured, mean ", "difference ",
)  # fmt: skip
NOTHING = (
    '<p class="quiet">This plan was made from the graph alone. Runs teach what the next ones '
    "will take (unless history=False); what was predicted then stands here beside what came.</p>"
)
GUESSED = (
    "{functions} of {of} functions, with {tasks} of {of_tasks} tasks, were never measured when this "
    "plan was made. What it says of these tasks is a guess, the same for all of them; the next plan "
    "knows better."
)


@dataclass
class Predicted:
    """One function. Several objects may be the same one to the history: they share a row."""

    name: str
    tasks: int = 0
    seconds: float = 0.0  # of all its tasks, as predicted
    samples: int = 0
    known: bool = True
    timed: int = 0
    took: float = 0.0  # those that were timed

    @property
    def basis(self) -> str:
        if not self.known:
            return "0, guessed"
        return f"{self.samples:,}" if self.samples else "none: as it was said"


def functions_of(structure: Structure) -> tuple[list[Predicted], Any]:
    """Those that have tasks, and which of them each function of the graph is."""
    told: Mapping[str, Any] = structure.predicted
    names, calls = told["names"], np.bincount(told["functions"], minlength=len(told["names"]))
    samples, known = told["samples"], told["known"]
    rows: dict[str, Predicted] = {}
    place, places = np.zeros(len(names), dtype=np.int64), dict[str, int]()
    for function in np.flatnonzero(calls).tolist():
        name = names[function]
        row = rows.setdefault(name, Predicted(name))
        place[function] = places.setdefault(name, len(places))
        row.tasks += int(calls[function])
        row.seconds += float(told["seconds"][function]) * int(calls[function])
        row.samples = int(samples[function])
        row.known = bool(known[function])
    return list(rows.values()), place


def functions_table(series: Series) -> str:
    """Those first that took most in all. Of short tasks only the time of their bundles is known."""
    if not series.structure.predicted:
        return NOTHING
    rows, place = functions_of(series.structure)
    timed = series.task_ended < NEVER
    of = place[series.structure.predicted["functions"][timed]]
    counts = np.bincount(of, minlength=len(rows))
    took = series.task_ended[timed] - series.task_begun[timed]
    sums = np.bincount(of, took, len(rows))
    for row, count, seconds in zip(rows, counts.tolist(), sums.tolist(), strict=True):
        row.timed, row.took = count, seconds
    rows.sort(key=lambda row: (-max(row.took, row.seconds if row.known else 0.0), -row.tasks))
    return table(COLUMNS, map(cells, rows[:MOST_ROWS]))


def cells(row: Predicted) -> tuple[object, ...]:
    predicted, measured = row.seconds / row.tasks, row.took / row.timed if row.timed else NEVER
    known = row.known and row.timed and predicted > 0
    return (
        shortened(row.name), row.tasks, in_seconds(predicted), row.basis, row.timed,
        in_seconds(measured), signed(measured / predicted - 1, "{:.0%}".format) if known else "",
    )  # fmt: skip


def guesses(structure: Structure) -> str:
    """How much of a plan rests on nothing."""
    if not structure.predicted:
        return ""
    rows, _ = functions_of(structure)
    unknown = [row for row in rows if not row.known]
    if not unknown:
        return ""
    told = GUESSED.format(
        functions=f"{len(unknown):,}", of=f"{len(rows):,}",
        tasks=f"{sum(row.tasks for row in unknown):,}", of_tasks=f"{structure.tasks:,}",
    )  # fmt: skip
    return f'<div class="notice">{told}</div>'
