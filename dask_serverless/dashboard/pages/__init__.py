"""All pages, in the order in which the navigation names them."""

from __future__ import annotations

from dask_serverless.dashboard.pages.graph import Graph
from dask_serverless.dashboard.pages.page import Page

PAGES: list[type[Page]] = [Graph]
