"""What is known of single tasks, in words: the same for hovering, tables and reports."""

from __future__ import annotations

from typing import Any

from dask_serverless.dashboard.groups import key_of, shortened
from dask_serverless.dashboard.numbers import in_bytes, in_seconds
from dask_serverless.dashboard.seen import NEVER, NOBODY, Failed, TriedAgain
from dask_serverless.dashboard.view import View
from planners.graph.arrays import Ids

DETAILS = (
    "key",
    "function",
    "bundle",
    "container",
    "slot",
    "begun",
    "took",
    "raised",
    "output",
    "attempt",
    "error",
)


def details(view: View, tasks: Ids) -> dict[str, list[Any]]:
    """A column for each of DETAILS."""
    structure, series = view.structure, view.series
    bundles = structure.bundles[tasks].tolist()
    names = list(series.containers)
    owners = series.container[bundles].tolist() if bundles else []
    slots = structure.slots[bundles].tolist() if bundles else []
    failures = {f.task: f for f in series.failures}
    again = {tried.task: tried for tried in series.tried_again}
    lost = {each.bundle: each for each in series.losses}
    begun, ended = series.task_begun[tasks].tolist(), series.task_ended[tasks].tolist()
    functions = structure.function_names
    numbers = tasks.tolist()
    return {
        "key": [key_of(structure, t) for t in numbers],
        "function": [function_of(functions, f) for f in structure.functions[tasks].tolist()],
        "bundle": bundles,
        "container": [names[o] if o != NOBODY else "" for o in owners],
        "slot": [str(s) if s >= 0 else "any" for s in slots],
        "begun": ["" if b == NEVER else f"{b:.3f} s" for b in begun],
        "took": [
            "" if e == NEVER else in_seconds(e - b) for b, e in zip(begun, ended, strict=True)
        ],
        "raised": [raised_at(failures.get(t) or again.get(t)) for t in numbers],
        "output": [in_bytes(n) if n >= 0 else "" for n in series.nbytes[tasks].tolist()],
        "attempt": [series.attempts(t) for t in numbers],
        "error": [
            error_of(failures[t].words)
            if t in failures
            else shortened(again[t].why, 200)
            if t in again
            else shortened(f"container lost: {lost[b].why}", 200)
            if b in lost
            else ""
            for t, b in zip(numbers, bundles, strict=True)
        ],
    }


def raised_at(last: Failed | TriedAgain | None) -> str:
    return "" if last is None else f"{last.at:.3f} s"


def function_of(names: Any, function: int) -> str:
    return shortened(names[function], 80) if 0 <= function < len(names) else ""


def error_of(words: Any) -> str:
    """The first exception in one line."""
    what, _, chain = words
    return shortened(f"{chain[0][0]}: {chain[0][2]}" if chain else str(what), 200)
