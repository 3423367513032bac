"""The graph page: the whole run by prefix, and below it task by task."""

from __future__ import annotations

from bokeh.layouts import column
from bokeh.models import Div

from dask_serverless.dashboard.pages.overview import Overview
from dask_serverless.dashboard.pages.page import Page
from dask_serverless.dashboard.pages.tasks import TaskGraph
from dask_serverless.dashboard.reader import Reader
from dask_serverless.dashboard.states import LOOKS
from dask_serverless.dashboard.style import swatches
from dask_serverless.dashboard.view import Moment, View


class Graph(Page):
    path = "graph"
    title = "Graph"
    replayed = True

    def __init__(self, view: View | None, reader: Reader | None) -> None:
        assert view is not None
        self.overview = Overview(view)
        self.tasks = TaskGraph(view, live=reader is not None)
        self.root = column(
            legend(), self.overview.root, self.tasks.root, sizing_mode="stretch_width"
        )

    def update(self, moment: Moment | None) -> None:
        assert moment is not None
        self.overview.update(moment)
        self.tasks.update(moment)


def legend() -> Div:
    return swatches((look.colour, look.name) for look in LOOKS.values())
