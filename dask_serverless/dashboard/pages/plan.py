"""Plan against actual: both timelines in one scale, and where the difference arose."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from bokeh.layouts import column

from dask_serverless.client.replanned import DividedBundle, MovedBundle, ResizedRun
from dask_serverless.client.structure import Structure
from dask_serverless.dashboard.functions import functions_table, guesses
from dask_serverless.dashboard.groups import key_of
from dask_serverless.dashboard.numbers import in_seconds, numbers, signed
from dask_serverless.dashboard.pages.page import Page
from dask_serverless.dashboard.reader import Reader
from dask_serverless.dashboard.seen import NEVER
from dask_serverless.dashboard.series import Series
from dask_serverless.dashboard.tables import block, table
from dask_serverless.dashboard.timelines import Timelines
from dask_serverless.dashboard.view import Moment, View
from planners.graph.arrays import Ids

LARGEST = 15


class PlanPage(Page):
    path = "plan"
    title = "Plan"

    def __init__(self, view: View | None, reader: Reader | None) -> None:
        assert view is not None
        self.view = view
        self.planned: Mapping[str, Any] = view.structure.timeline
        self.told, notice = block("plan"), block("notice")
        self.root = column(self.told, sizing_mode="stretch_width")
        if self.planned:
            self.timelines = Timelines(self.planned)
            notice.text = guesses(view.structure)
            self.root.children = [notice, self.timelines.root, self.told]

    def update(self, moment: Moment | None) -> None:
        if not self.planned:
            series = self.view.series
            self.told.text = NOTHING + changes(series.over or {}) + of_the_client(series.phases)
            return
        with self.view.lock:
            series = self.view.series
            self.timelines.update(series)
            told = differences(series, self.planned) + changes(series.over or {})
            self.told.text = told + by_function(series) + of_the_client(series.phases)


NOTHING = (
    '<div class="nothing"><h2>Nothing was predicted</h2><p>This plan was made from the graph alone, '
    "or is too large to be drawn. Runs teach what the next ones will take, unless "
    "history=False.</p></div>"
)


def differences(series: Series, planned: Mapping[str, Any]) -> str:
    """Bundle by bundle, those first that took most more, or less, than foreseen."""
    done = np.flatnonzero(series.finished < NEVER)
    foreseen = (planned["finished"] - planned["begun"])[done]
    took = series.finished[done] - series.claimed[done]
    order = np.argsort(-np.abs(took - foreseen), kind="stable")[:LARGEST]
    structure = series.structure
    ends = last_tasks(structure)
    rows = [
        (int(done[i]), key_of(structure, int(ends[done[i]])), in_seconds(float(foreseen[i])), in_seconds(float(took[i])),
            signed(float(took[i] - foreseen[i])))
        for i in order.tolist()
    ]  # fmt: skip
    makespan = numbers(series).makespan
    expected = float(planned["makespan"])
    last = float(series.finished[done].max(initial=0.0))
    whole = [
        ("end of the last bundle", *against(planned_end(planned), last, series.succeeded)),
        (makespan_of(int(planned.get("runs", 0))), *against(expected, makespan, series.succeeded)),
        ("bundles, added up", in_seconds(float(foreseen.sum())), in_seconds(float(took.sum())),
            signed(float(took.sum() - foreseen.sum()))),
    ]  # fmt: skip
    return (
        table(("", "planned ", "actual ", "difference "), whole)
        + "<h3>Where the difference arose</h3>"
        + table(("bundle ", "last task", "planned ", "actual ", "difference "), rows)
    )


def against(planned: float, came: float, whole: bool) -> tuple[str, str, str]:
    """A run that goes on, or was cut short, is not early by what it has not done."""
    difference = signed(came - planned) if whole else ""
    return in_seconds(planned), in_seconds(came) if came else "", difference


def makespan_of(runs: int) -> str:
    return f"makespan, put right by {runs} earlier runs" if runs else "makespan"


def planned_end(planned: Mapping[str, Any]) -> float:
    """Of its last bundle: earlier runs may have put the makespan right since."""
    return float(planned["finished"].max(initial=0.0))


def last_tasks(structure: Structure) -> Ids:
    """Of each bundle: its number means nothing to people, and a task's key may."""
    last = np.zeros(structure.bundle_count, dtype=np.int32)
    last[structure.bundles] = np.arange(structure.tasks)
    return last


def changes(over: Mapping[str, Any]) -> str:
    """What became of the plan while the run went on, as the client tells at the end."""
    return moved(over) + divided(over) + resized(over)


def moved(over: Mapping[str, Any]) -> str:
    """Bundles that were late in their slots."""
    moves = [MovedBundle(*each) for each in over.get("moves", ())]
    rows = [
        (m.version, m.bundle, m.slot, m.container, moment(m.at), moment(m.due), m.why)
        for m in moves
    ]
    names = ("version of the plan ", "bundle ", "slot that it left ", "container that took it",
        "at ", "due ", "why")  # fmt: skip
    return changed("Moved", names, rows)


def divided(over: Mapping[str, Any]) -> str:
    """Bundles that took too long, and of which others got what had not begun."""
    splits = [DividedBundle(*each) for each in over.get("splits", ())]
    rows = [(s.version, s.bundle, s.parts, s.container, moment(s.at)) for s in splits]
    names = ("version of the plan ", "bundle ", "parts for others ", "container that kept the rest",
        "at ")  # fmt: skip
    return changed("Divided", names, rows)


def resized(over: Mapping[str, Any]) -> str:
    """When the run was late, and what had not begun went to containers of another size."""
    resizes = [ResizedRun(*each) for each in over.get("resizes", ())]
    rows = [
        (r.version, f"{r.before_mb:,} MiB", f"{r.memory_mb:,} MiB", moment(r.at), r.why)
        for r in resizes
    ]
    names = ("version of the plan ", "memory before ", "from then on ", "at ", "why")
    return changed("Given containers of another size", names, rows)


def changed(what: str, names: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    return f"<h3>{what} while the run went on</h3>" + table(names, rows) if rows else ""


def moment(seconds: float) -> str:
    """Since the submission, which is not known of a run of which no bundle has ended."""
    return "" if math.isnan(seconds) else in_seconds(seconds)


def by_function(series: Series) -> str:
    return f"<h3>By function</h3>{functions_table(series)}" if series.structure.predicted else ""


def of_the_client(phases: Mapping[str, float]) -> str:
    """From the graph to the result, as the client tells at the end."""
    took = [in_seconds(seconds) for seconds in phases.values()]
    title = "<h3>What the client did, in order</h3>"
    return title + table([f"{name} " for name in phases], [took]) if took else ""
