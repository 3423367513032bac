"""Lanes: what each container did, as bars over time; shares of time where bars would be too many."""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from dask_serverless.client.picture import PARTS
from dask_serverless.dashboard.details import error_of
from dask_serverless.dashboard.groups import key_of, shortened
from dask_serverless.dashboard.moments import stopped
from dask_serverless.dashboard.numbers import in_seconds
from dask_serverless.dashboard.seen import NEVER, NOBODY, Lost, Part
from dask_serverless.dashboard.series import Series
from dask_serverless.dashboard.states import COLOURS, State
from dask_serverless.dashboard.view import View
from planners.graph.arrays import Flags, Floats, Ids

KINDS = {
    "cold start": "#8b93a1", "warm start": "#c3c9d2", **PARTS,
    "run that failed or was lost": "#e9a79d", "tried again": COLOURS[State.RETRIED], "failed or lost": COLOURS[State.FAILED],
}  # fmt: skip
LOST, IN_VAIN = "failed or lost", "run that failed or was lost"
MOST_BARS = 4000
BINS = 600
GAP = 0.08  # of a lane, above and below
EARLY = 0.05  # of the run, at most, that a start before the submission adds to what is shown
# Of prefixes: dull ones, none of which is a state's or stands for what containers do.
TASK_COLOURS = (
    "#8da0cb", "#b5cf6b", "#c49c94", "#66c2a5", "#bcbd6a", "#5f7a94", "#d9b38c",
    "#9aa66f", "#b39ddb", "#4f9d9d", "#a1887f",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Lanes:
    """Bundles by container; one that was divided has a bar on each container that had a part of it.
    What runs just now ends with the latest that is known.
    """

    names: list[str]
    bundles: Ids
    lane: Ids  # of each bundle
    claimed: Floats
    fetched: Floats
    executed: Floats
    finished: Floats
    failed: Flags
    lost: Flags  # attempts that ended with their containers
    told: Flags  # whether it is known how the bundle spent its time
    whole: Flags
    begin: float
    end: float


def lanes_of(series: Series) -> Lanes:
    parts = series.parts
    split = {(part.bundle, part.container) for part in parts}
    bundles = np.flatnonzero(series.claimed < NEVER).astype(np.int32)
    if split:
        there = zip(bundles.tolist(), series.container[bundles].tolist(), strict=True)
        bundles = bundles[[each not in split for each in there]]
    claimed = series.claimed[bundles]
    end = max(series.end, series.latest, float(claimed.max(initial=0.0)))
    told = series.finished[bundles] < NEVER
    failed = np.isin(bundles, [each.bundle for each in series.failures])
    over = np.minimum(stopped(series)[bundles], end)
    fetched = np.where(told, series.fetched[bundles], claimed)
    executed = np.where(told, series.executed[bundles], over)
    lost = [each for each in series.losses if each.container != NOBODY and each.since < NEVER]
    parts = [*parts, *(in_vain(each) for each in lost)]
    more = np.array([astuple(part) for part in parts]).reshape(-1, len(fields(Part))).T
    count, divided = len(bundles), len(parts) - len(lost)
    places = np.arange(count + len(parts))
    return Lanes(
        names=list(series.containers),
        bundles=np.concatenate((bundles, more[0].astype(np.int32))),
        lane=np.concatenate((series.container[bundles], more[1].astype(np.int32))),
        claimed=np.concatenate((claimed, more[2])),
        fetched=np.concatenate((fetched, more[3])),
        executed=np.concatenate((executed, more[4])),
        finished=np.concatenate((over, more[5])),
        failed=np.concatenate((failed, np.zeros(len(parts), dtype=bool))),
        lost=places >= count + divided,
        told=np.concatenate((told, np.arange(len(parts)) < divided)),
        whole=(places < count) | (places >= count + divided),
        begin=begin_of(series, end),
        end=end,
    )


def in_vain(lost: Lost) -> Part:
    """From its start to its loss."""
    return Part(lost.bundle, lost.container, lost.since, lost.since, lost.at, lost.at)


def begin_of(series: Series, end: float) -> float:
    """Containers that were there long before the submission would leave the rest little room."""
    known = [c for c in series.containers.values() if c.arrived < NEVER]
    return min((c.asked for c in known if c.arrived > 0 or c.asked > -EARLY * end), default=0.0)


def bars(
    view: View, lanes: Lanes, window: tuple[float, float], most: int = MOST_BARS
) -> dict[str, Any] | None:
    """Columns of a source; None if they would be too many."""
    inside = np.flatnonzero((lanes.claimed <= window[1]) & (lanes.finished >= window[0]))
    if 3 * len(inside) > most:
        return None
    drawn = Bars()
    drawn.starts(view.series)
    tasks = tasks_within(view, lanes.bundles[inside], window)
    if len(tasks) + 2 * len(inside) > most:
        tasks = tasks[:0]
    for i in inside.tolist():
        drawn.bundle(lanes, i, whole=not len(tasks))
    drawn.tasks(view, tasks)
    if len(tasks):
        drawn.copies(view, lanes.bundles[inside], window)
    return drawn.columns


class Bars:
    def __init__(self) -> None:
        names = ("left", "right", "top", "bottom", "colour", "what", "took")
        self.columns: dict[str, list[Any]] = {name: [] for name in names}

    def add(
        self, lane: int, left: float, right: float, colour: str, what: str, gap: float = GAP
    ) -> None:
        if right > left:
            row = (left, right, lane + gap, lane + 1 - gap, colour, what, in_seconds(right - left))
            for column, value in zip(self.columns.values(), row, strict=True):
                column.append(value)

    def starts(self, series: Series) -> None:
        for c in series.containers.values():
            kind = "cold start" if c.cold else "warm start"
            if c.arrived < NEVER:
                self.add(c.index, c.asked, c.arrived, KINDS[kind], f"{kind} of {c.name}", 0.3)

    def bundle(self, lanes: Lanes, i: int, whole: bool) -> None:
        lane, bundle = int(lanes.lane[i]), int(lanes.bundles[i])
        claimed, fetched = float(lanes.claimed[i]), float(lanes.fetched[i])
        executed, finished = float(lanes.executed[i]), float(lanes.finished[i])
        name = f"bundle {bundle}" if lanes.whole[i] else f"part of bundle {bundle}"
        self.add(lane, claimed, fetched, KINDS["fetch"], f"fetch for {name}", 0.25)
        if lanes.lost[i]:
            self.add(lane, fetched, executed, KINDS[IN_VAIN], f"{name}, which was lost")
        elif lanes.failed[i]:
            self.add(lane, fetched, executed, KINDS[IN_VAIN], f"{name}, which failed")
        elif whole or not lanes.told[i]:
            self.add(lane, fetched, executed, KINDS["run"], name)
        self.add(lane, executed, finished, KINDS["store"], f"store of {name}", 0.25)

    def tasks(self, view: View, tasks: Ids) -> None:
        series, structure, groups = view.series, view.structure, view.groups
        for task in tasks.tolist():
            group = int(groups.of[task])
            self.add(
                int(series.task_on[task]),
                float(series.task_begun[task]), float(series.task_ended[task]),
                colour_of(group), key_of(structure, task),
            )  # fmt: skip

    def copies(self, view: View, bundles: Ids, window: tuple[float, float]) -> None:
        """Tasks that ran once more where their outputs were needed."""
        mine = set(bundles.tolist())
        for copy in view.series.copies:
            if copy.bundle in mine and copy.begun <= window[1] and copy.ended >= window[0]:
                what = f"{key_of(view.structure, copy.task)}, once more for bundle {copy.bundle}"
                colour = colour_of(int(view.groups.of[copy.task]))
                self.add(copy.container, copy.begun, copy.ended, colour, what)


def marks(view: View) -> dict[str, Any]:
    """Where something went wrong: lines of one width, which are seen at any scale."""
    series, structure = view.series, view.structure
    found: list[tuple[int, float, str, str]] = []
    for tried in series.tried_again:
        what = f"{key_of(structure, tried.task)} is tried again: {tried.why}"
        found.append((tried.container, tried.at, "tried again", shortened(what)))
    for lost in series.losses:
        what = f"lost with bundle {lost.bundle}: {lost.why}"
        found.append((lost.container, lost.at, LOST, shortened(what)))
    for failed in series.failures:
        what = f"{key_of(structure, failed.task)} raised {error_of(failed.words)}"
        found.append((series.containers[failed.container].index, failed.at, LOST, what))
    found = [each for each in found if each[0] >= 0]
    return {
        "x": [at for _, at, _, _ in found], "colour": [KINDS[kind] for _, _, kind, _ in found],
        "top": [lane for lane, *_ in found], "bottom": [lane + 1 for lane, *_ in found],
        "what": [what for *_, what in found], "took": [f"at {in_seconds(at)}" for _, at, _, _ in found],
    }  # fmt: skip


def colour_of(group: int) -> str:
    return TASK_COLOURS[group % len(TASK_COLOURS)]


def tasks_within(view: View, bundles: Ids, window: tuple[float, float]) -> Ids:
    """Those of some bundles that ran within a time, and whose times are known."""
    series = view.series
    mine = np.zeros(view.structure.bundle_count, dtype=bool)
    mine[bundles] = True
    inside = (series.task_begun <= window[1]) & (series.task_ended >= window[0])
    known = series.task_ended < NEVER
    return np.flatnonzero(inside & known & mine[view.structure.bundles]).astype(np.int32)


def busy(lanes: Lanes, window: tuple[float, float]) -> npt.NDArray[np.float32]:
    """Which share of each bin of time each container had a bundle."""
    width = (window[1] - window[0]) / BINS
    shares = np.zeros((max(len(lanes.names), 1), BINS + 1))
    for times, sign in ((lanes.claimed, 1.0), (lanes.finished, -1.0)):
        place = np.clip((times - window[0]) / width, 0, BINS)
        first = np.minimum(place.astype(int), BINS - 1)
        part = place - first
        np.add.at(shares, (lanes.lane, first), sign * (1 - part))
        np.add.at(shares, (lanes.lane, first + 1), sign * part)
    return np.clip(np.cumsum(shares, axis=1)[:, :BINS], 0, 1).astype(np.float32)
