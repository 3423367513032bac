"""The graph page: the whole run by prefix, and below it task by task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bokeh.layouts import column
from bokeh.models import Div

from dask_serverless.dashboard.by_itself import ByItself
from dask_serverless.dashboard.focus import Focus
from dask_serverless.dashboard.pages.overview import Overview
from dask_serverless.dashboard.pages.page import Page
from dask_serverless.dashboard.pages.selection import Selection
from dask_serverless.dashboard.pages.tasks import TaskGraph
from dask_serverless.dashboard.reader import Reader
from dask_serverless.dashboard.states import LOOKS
from dask_serverless.dashboard.style import CRITICAL, swatches
from dask_serverless.dashboard.view import Moment, View


class Graph(Page):
    path = "graph"
    title = "Graph"
    replayed = True

    def __init__(self, view: View | None, reader: Reader | None) -> None:
        assert view is not None
        focus = Focus(view)
        self.overview = Overview(view)
        self.tasks = TaskGraph(view, focus, live=reader is not None)
        parts = [legend((CRITICAL, "critical path")), self.overview.root, self.tasks.root]
        answering = reader is not None
        self.selection = Selection(view, focus, self.overview, self.tasks) if answering else None
        self.alone = ByItself(self.tasks) if not answering else None
        chosen = self.selection or self.alone
        assert chosen is not None
        parts[2:] = [chosen.root, self.tasks.root, chosen.table]
        self.root = column(*parts, sizing_mode="stretch_width")

    def by_itself(self, slider: Any, moments: Sequence[Moment]) -> None:
        assert self.alone is not None
        self.alone.begin(slider, moments)

    def update(self, moment: Moment | None) -> None:
        assert moment is not None
        self.overview.update(moment)
        self.tasks.update(moment)
        if self.selection is not None:
            self.selection.update()


def legend(*more: tuple[str, str]) -> Div:
    return swatches([*((look.colour, look.name) for look in LOOKS.values()), *more])
