"""Functions: what the plan counted on for a call of each, beside what its calls took."""

from __future__ import annotations

import numpy as np

from dask_serverless.dashboard.groups import shortened
from dask_serverless.dashboard.numbers import in_seconds, signed
from dask_serverless.dashboard.seen import NEVER
from dask_serverless.dashboard.series import Series
from dask_serverless.dashboard.tables import table

MOST_ROWS = 100
COLUMNS = ("function", "tasks ", "timed ", "predicted, mean ", "measured, mean ", "difference ")
NOTHING = (
    '<p class="quiet">This plan was made from the graph alone. Runs teach what the next ones '
    "will take (unless history=False); what was predicted then stands here beside what came.</p>"
)


def functions_table(series: Series) -> str:
    """Those first that took most in all. Of short tasks only the time of their bundles is known."""
    predicted = series.structure.predicted
    if not predicted:
        return NOTHING
    names, functions = predicted["names"], predicted["functions"]
    timed = series.task_ended < NEVER
    calls = np.bincount(functions, minlength=len(names))
    counts = np.bincount(functions[timed], minlength=len(names))
    took = series.task_ended[timed] - series.task_begun[timed]
    sums = np.bincount(functions[timed], took, len(names))
    foreseen = predicted["seconds"]
    order = np.argsort(-np.maximum(sums, foreseen * calls), kind="stable")[:MOST_ROWS]
    rows = [
        row(names[f], int(calls[f]), int(counts[f]), float(foreseen[f]), float(sums[f]))
        for f in order.tolist()
        if calls[f]
    ]
    return table(COLUMNS, rows)


def row(name: str, calls: int, timed: int, predicted: float, seconds: float) -> tuple[object, ...]:
    shown = shortened(name)
    if not timed:
        return shown, calls, timed, in_seconds(predicted), "", ""
    measured = seconds / timed
    more = signed(measured / predicted - 1, "{:.0%}".format) if predicted > 0 else ""
    return shown, calls, timed, in_seconds(predicted), in_seconds(measured), more
