"""Replanned: what became of a plan while its run was under way, for people."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from dask_serverless.coordination.sizes import number_of

if TYPE_CHECKING:
    from dask_serverless.client.report import RunReport
    from dask_serverless.coordination.resizing import Resize
    from dask_serverless.coordination.splitting import Split

ROWS = 20  # of a table, that are printed
MOVED = ("version", "bundle", "from slot", "to", "at", "due", "why")
RESIZED = ("version", "memory from then on", "before", "at", "why")
DIVIDED = ("version", "bundle", "parts for others", "kept by", "at")

Table = tuple[str, Sequence[str], list[tuple[object, ...]]]  # title, headers, rows


class MovedBundle(NamedTuple):
    """A bundle that left its slot; times are in seconds since the submission."""

    version: int  # of the plan, from then on
    bundle: int
    slot: int  # that the plan had it in
    container: str  # that took it
    at: float
    due: float  # when it should have begun at the latest
    why: str


class DividedBundle(NamedTuple):
    """A bundle that took too long, and of which others got what had not begun."""

    version: int  # of the plan, from then on
    bundle: int  # of the plan: what it was divided into may have been divided further
    parts: int  # that others got
    container: str  # that kept the rest
    at: float  # seconds since the submission


class ResizedRun(NamedTuple):
    """What had not begun went to containers of another size."""

    version: int  # of the plan, from then on
    memory_mb: int  # that containers have at least, from then on
    before_mb: int
    at: float  # seconds since the submission
    why: str


def moved_bundles(report: RunReport) -> list[MovedBundle]:
    """In the order in which the plan was changed."""
    if not report.moves:
        return []
    submitted = submission(report)
    return [
        MovedBundle(
            move.version,
            move.bundle,
            number_of(move.slot),
            move.container,
            at - submitted,
            move.due_ms / 1000,
            why(move.owner, move.busy_with),
        )
        for move, at in report.moves
    ]


def why(owner: str, busy_with: int) -> str:
    if not owner:
        return "nobody had the slot"
    if busy_with < 0:
        return f"{owner}, which had the slot, did not come"
    return f"{owner}, which had the slot, was still at bundle {busy_with}"


def divided_bundles(report: RunReport) -> list[DividedBundle]:
    """In the order in which the plan was changed."""
    if not report.splits:
        return []
    submitted = submission(report)
    return [
        DividedBundle(split.version, bundle, split.parts, split.container, at - submitted)
        for split, bundle, at in splits_of_wholes(report)
    ]


def splits_of_wholes(report: RunReport) -> Iterator[tuple[Split, int, float]]:
    """Each with the bundle of the plan that was divided, be it by way of its parts."""
    wholes: dict[int, int] = {}
    for split, at in report.splits:
        bundle = wholes.get(split.bundle, split.bundle)
        wholes.update(dict.fromkeys(range(split.first, split.first + split.parts), bundle))
        yield split, bundle, at


def resized_runs(report: RunReport) -> list[ResizedRun]:
    """In the order in which the plan was changed."""
    if not report.resizes:
        return []
    submitted, sizes = submission(report), report.sizes_mb
    return [
        ResizedRun(told.version, sizes[told.size], sizes[told.before], at - submitted, behind(told))
        for told, at in report.resizes
    ]


def behind(told: Resize) -> str:
    due = f"{told.due_ms / 1000:.3f} s"
    if told.size < told.before:
        return f"no larger container had come by {due}"
    return f"{told.done} bundles were done, and {told.expected} should have been by {due}"


def submission(report: RunReport) -> float:
    """When it was, by the store's clock; not a number of a run of which no bundle has ended."""
    return math.nan if report.submitted is None else report.submitted


def tables(
    moves: list[MovedBundle], splits: list[DividedBundle], resizes: list[ResizedRun]
) -> Iterator[Table]:
    """What was changed, for people."""
    if moves:
        line = title(moves[-1].version, len(moves), "late in their slots, and moved")
        yield f"{line}; times in seconds:", MOVED, [moved(each) for each in moves[:ROWS]]
    if splits:
        line = title(
            splits[-1].version, len(splits), "later than the plan held possible, and divided"
        )
        yield f"{line}; times in seconds:", DIVIDED, [divided(each) for each in splits[:ROWS]]
    if resizes:
        line = (
            f"version {resizes[-1].version} of the plan: the run was late, and what had not begun"
        )
        yield f"{line} got other containers:", RESIZED, [resized(each) for each in resizes]


def title(version: int, count: int, what: str) -> str:
    bundles = "one bundle was" if count == 1 else f"{count} bundles were"
    shown = f", of which the first {ROWS}" if count > ROWS else ""
    return f"version {version} of the plan: {bundles} {what}{shown}"


def moved(m: MovedBundle) -> tuple[object, ...]:
    return (m.version, m.bundle, m.slot, m.container, f"{m.at:.3f}", f"{m.due:.3f}", m.why)


def resized(r: ResizedRun) -> tuple[object, ...]:
    return (r.version, f"{r.memory_mb} MiB", f"{r.before_mb} MiB", f"{r.at:.3f}", r.why)


def divided(d: DividedBundle) -> tuple[object, ...]:
    return (d.version, d.bundle, d.parts, d.container, f"{d.at:.3f}")
