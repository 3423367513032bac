"""Replanned: what became of a plan while its run was under way, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from dask_serverless.coordination.sizes import number_of

if TYPE_CHECKING:
    from dask_serverless.client.report import RunReport

ROWS = 20  # moves that are printed
HEADERS = ("version", "bundle", "from slot", "to", "at", "due", "why")


class MovedBundle(NamedTuple):
    """A bundle that left its slot; times are in seconds since the submission."""

    version: int  # of the plan, from then on
    bundle: int
    slot: int  # that the plan had it in
    container: str  # that took it
    at: float
    due: float  # when it should have begun at the latest
    why: str


def moved_bundles(report: RunReport) -> list[MovedBundle]:
    """In the order in which the plan was changed."""
    if not report.moves:
        return []
    submitted = float(report.course.rows["at"][-1]) - report.makespan_seconds
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


def title(moves: list[MovedBundle]) -> str:
    count = "one bundle was" if len(moves) == 1 else f"{len(moves)} bundles were"
    shown = f", of which the first {ROWS}" if len(moves) > ROWS else ""
    line = f"version {moves[-1].version} of the plan: {count} late in their slots, and moved"
    return f"{line}{shown}; times in seconds:"


def shown_rows(moves: list[MovedBundle]) -> list[tuple[object, ...]]:
    return [
        (m.version, m.bundle, m.slot, m.container, f"{m.at:.3f}", f"{m.due:.3f}", m.why)
        for m in moves[:ROWS]
    ]
