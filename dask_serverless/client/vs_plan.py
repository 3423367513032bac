"""A run beside its plan: forecast against measured, in all and bundle by bundle, and why."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from dask_serverless.client import replanned
from dask_serverless.client.replanned import (
    DividedBundle,
    MovedBundle,
    ResizedRun,
    divided_bundles,
    moved_bundles,
    resized_runs,
)
from planners.cost.outlook import Outlook
from planners.cost.rows import name_of
from planners.cost.times import Spent, Times, firsts, latest, predecessors
from planners.plans.succession import NONE
from planners.plans.tables import html_table, in_bytes, preformatted, table

if TYPE_CHECKING:
    from dask_serverless.client.course import Course
    from dask_serverless.client.report import RunReport

CANCELLING = 2.0  # times the difference, from which on a part of it is mostly made up for by others
ROWS = 20  # bundles that are printed
MEANINGS = {
    "running": "running tasks",
    "fetching": "fetching inputs",
    "storing": "storing outputs",
    "starting": "starting containers",
    "waiting": "waiting for containers at work, and for the store",
    "learning": "put right by what came of earlier runs",
}
HEADERS = ("bundle", "tasks", "last task", "waited", "fetched", "ran", "stored", "done")


class Pair(NamedTuple):
    """Seconds, bytes or a number."""

    forecast: float
    measured: float

    @property
    def more(self) -> float:
        return self.measured - self.forecast


class BundleRow(NamedTuple):
    """One bundle; times are in seconds, ``began`` and ``finished`` since the submission."""

    bundle: int
    tasks: int
    began: Pair
    waited: Pair
    fetched: Pair
    ran: Pair
    stored: Pair
    finished: Pair


@dataclass(frozen=True, eq=False, repr=False)
class VsPlan:
    """Prints as totals, what the difference is made of, and the bundles that differ most.

    Why a run took longer is told by its longest path: the bundles that delayed one another until the
    last one was done. What these did with their time adds up to the makespan, forecast and
    measured, so that the differences of the parts add up to the difference.
    """

    outlook: Outlook
    report: RunReport

    @cached_property
    def forecast(self) -> Times:
        return Times.forecast(self.outlook.timeline)

    @cached_property
    def measured(self) -> Times:
        return measured(self.report.course, self.report.makespan_seconds, self.outlook)

    @property
    def makespan_seconds(self) -> Pair:
        forecast = self.outlook.prediction.makespan_seconds
        return Pair(forecast, self.measured.makespan_seconds)

    @property
    def task_seconds(self) -> Pair:
        """Of all bundles."""
        running = float(self.report.course.rows["running"].sum())
        return Pair(float(self.forecast.running.sum()), running)

    @property
    def stored_bytes(self) -> Pair:
        return Pair(self.outlook.timeline.bytes_up, self.report.bytes_moved)

    @property
    def cold_starts(self) -> Pair:
        return Pair(self.outlook.timeline.cold_starts, self.report.cold_starts)

    @property
    def container_calls(self) -> Pair:
        """To the store: one for each bundle, and one when a container comes."""
        timeline = self.outlook.timeline
        calls = len(timeline.finished) + len(timeline.containers.invoked)
        return Pair(calls, self.report.container_calls)

    @property
    def causes(self) -> dict[str, Pair]:
        """The parts of both makespans, by what was done; what differs most comes first."""
        one, other = self.forecast.spent, self.measured.spent
        names = [part.name for part in fields(Spent)]
        pairs = {name: Pair(getattr(one, name), getattr(other, name)) for name in names}
        if corrected := self.makespan_seconds.forecast - self.forecast.makespan_seconds:
            pairs["learning"] = Pair(corrected, 0.0)
        return dict(sorted(pairs.items(), key=lambda item: -abs(item[1].more)))

    @property
    def version(self) -> int:
        """How often the plan was changed while it was carried out."""
        return self.report.version

    @cached_property
    def moves(self) -> list[MovedBundle]:
        """What was changed: bundles that were late in their slots, and went to other containers."""
        return moved_bundles(self.report)

    @cached_property
    def splits(self) -> list[DividedBundle]:
        """Likewise: bundles that took too long, and of which others got what had not begun."""
        return divided_bundles(self.report)

    @cached_property
    def resizes(self) -> list[ResizedRun]:
        """Likewise: when what had not begun went to larger containers, since the run was behind."""
        return resized_runs(self.report)

    @cached_property
    def rows(self) -> list[BundleRow]:
        """All bundles, in the order of their numbers."""
        sizes = np.bincount(self.outlook.plan.bundles, minlength=len(self.forecast.finished))
        parts = ("begun", "waited", "fetching", "running", "storing", "finished")
        columns = [
            map(Pair, getattr(self.forecast, part).tolist(), getattr(self.measured, part).tolist())
            for part in parts
        ]
        return [
            BundleRow(*row) for row in zip(range(len(sizes)), sizes.tolist(), *columns, strict=True)
        ]

    def __str__(self) -> str:
        lines = [self.headline, "", table(("", "forecast", "measured", "more"), self.totals())]
        lines += ["", "where the time of the longest path went:"]
        lines += [table(("", "forecast", "measured", "more", "of it"), self.reasons())]
        for title, headers, rows in replanned.tables(self.moves, self.splits, self.resizes):
            lines += ["", title, table(headers, rows)]
        lines += ["", self.bundles_title, table(HEADERS, self.shown_rows())]
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        totals = html_table(("", "forecast", "measured", "more"), self.totals())
        reasons = html_table(("", "forecast", "measured", "more", "of it"), self.reasons())
        rows = html_table(HEADERS, self.shown_rows())
        title = f"<p>{escape(self.bundles_title)}</p>"
        return preformatted(self.headline) + totals + reasons + self.changes_html + title + rows

    @property
    def changes_html(self) -> str:
        tables = replanned.tables(self.moves, self.splits, self.resizes)
        parts = [
            f"<p>{escape(title)}</p>{html_table(names, rows)}" for title, names, rows in tables
        ]
        return "".join(parts)

    @property
    def headline(self) -> str:
        forecast, came = self.makespan_seconds
        share = f" ({abs(came / forecast - 1):.0%})" if forecast > 0 else ""
        than = "longer" if came > forecast else "shorter"
        line = f"{self.outlook.plan.planner}: forecast {forecast:.3f} s, measured {came:.3f} s: "
        line += f"{abs(came - forecast):.3f} s{share} {than}"
        if not self.outlook.known:
            line += "\nthe forecast is made up: nothing was measured of these functions before"
        return line

    def totals(self) -> list[tuple[str, ...]]:
        return [
            ("makespan", *in_seconds(self.makespan_seconds)),
            ("tasks, all bundles", *in_seconds(self.task_seconds)),
            ("stored", *(in_bytes(v) for v in self.stored_bytes), signed_bytes(self.stored_bytes)),
            ("calls of containers", *in_numbers(self.container_calls)),
            ("cold starts", *in_numbers(self.cold_starts)),
        ]

    def reasons(self) -> list[tuple[str, ...]]:
        """A share of a difference says nothing where parts cancel: 0.1 ms was -1480231 % of it."""
        more = self.makespan_seconds.more
        most = max([abs(pair.more) for pair in self.causes.values()])
        shares = more and most <= CANCELLING * abs(more)
        return [
            (MEANINGS[name], *in_seconds(pair), f"{pair.more / more:.0%}" if shares else "")
            for name, pair in self.causes.items()
        ]

    @property
    def bundles_title(self) -> str:
        shown = min(len(self.rows), ROWS)
        which = f"the {shown} of {len(self.rows)} bundles that differ most"
        return f"{which if shown < len(self.rows) else 'bundles'}, forecast → measured, in seconds:"

    def shown_rows(self) -> list[tuple[object, ...]]:
        most = sorted(self.rows, key=lambda row: -abs(differs(row)))[:ROWS]
        names = last_tasks(self.outlook, [row.bundle for row in most])
        return [
            (row.bundle, row.tasks, name, *map(shown, (*row[3:7], row.finished)))
            for row, name in zip(most, names, strict=True)
        ]


def measured(course: Course, makespan_seconds: float, outlook: Outlook) -> Times:
    """From what containers told; bundles are in the order in which they were announced."""
    rows, crossings = whole(course.rows), outlook.timeline.layout.crossings
    order = rows["bundle"].astype(np.int32)
    column = {name: np.empty(len(order), dtype=rows[name].dtype) for name in rows.dtype.names or ()}
    for name, values in column.items():
        values[order] = rows[name]
    finished = column["at"] - float(rows["at"][-1]) + makespan_seconds
    last = latest(order, crossings.pair_producers, crossings.pair_consumers)
    before = predecessors(column["container"], order)
    ready, free = (np.where(bundles == NONE, 0.0, finished[bundles]) for bundles in (last, before))
    return Times(
        ready=ready,
        fetching=column["fetching"],
        running=column["running"],
        storing=column["storing"],
        finished=finished,
        container=column["container"],
        cause=np.where((before != NONE) & (free >= ready), before, last).astype(np.int32),
        first=firsts(column["container"], order),
    )


def whole(rows: npt.NDArray[np.void]) -> npt.NDArray[np.void]:
    """One row for each bundle: one that was divided ran from its first part to its last."""
    bundles, places = np.unique(rows["bundle"][::-1], return_index=True)
    if len(bundles) == len(rows):
        return rows
    begun = np.full(int(bundles[-1]) + 1, np.inf)
    durations = rows["fetching"] + rows["running"] + rows["storing"]
    np.minimum.at(begun, rows["bundle"], rows["at"] - durations)
    rows = rows[np.sort(len(rows) - 1 - places)]
    rows["running"] = rows["at"] - begun[rows["bundle"]] - rows["fetching"] - rows["storing"]
    return rows


def differs(row: BundleRow) -> float:
    """How much longer its container was at work on it."""
    return row.fetched.more + row.ran.more + row.stored.more


def last_tasks(outlook: Outlook, bundles: list[int]) -> list[str]:
    last = np.zeros(len(outlook.plan.slots), dtype=np.int64)
    last[outlook.plan.bundles] = np.arange(len(outlook.plan.bundles))
    return [name_of(outlook.timeline, int(last[bundle])) for bundle in bundles]


def in_seconds(pair: Pair) -> tuple[str, str, str]:
    return f"{pair.forecast:.3f} s", f"{pair.measured:.3f} s", f"{pair.more:+.3f} s"


def in_numbers(pair: Pair) -> tuple[str, str, str]:
    return f"{pair.forecast:.0f}", f"{pair.measured:.0f}", f"{pair.more:+.0f}"


def signed_bytes(pair: Pair) -> str:
    return f"{'-' if pair.more < 0 else '+'}{in_bytes(abs(pair.more))}"


def shown(pair: Pair) -> str:
    return f"{pair.forecast:.3f} → {pair.measured:.3f}"
