"""All pages, in the order in which the navigation names them."""

from __future__ import annotations

from dask_serverless.dashboard.pages.containers import Containers
from dask_serverless.dashboard.pages.data import DataPlane
from dask_serverless.dashboard.pages.errors import Errors
from dask_serverless.dashboard.pages.graph import Graph
from dask_serverless.dashboard.pages.history import HistoryPage
from dask_serverless.dashboard.pages.logs import Logs
from dask_serverless.dashboard.pages.page import Page
from dask_serverless.dashboard.pages.plan import PlanPage
from dask_serverless.dashboard.pages.progress import Progress
from dask_serverless.dashboard.pages.runs import Runs
from dask_serverless.dashboard.pages.stream import Stream

PAGES: list[type[Page]] = [
    Graph, Stream, PlanPage, Progress, Containers, DataPlane, Errors, Logs, HistoryPage, Runs,
]  # fmt: skip
