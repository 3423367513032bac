"""Pages that are no figures: the first one, health, metrics, and what JupyterLab asks for."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any
from urllib.parse import urlencode

from tornado.web import HTTPError, RequestHandler

from dask_serverless.dashboard.access import Access
from dask_serverless.dashboard.gate import check
from dask_serverless.dashboard.pages import PAGES
from dask_serverless.dashboard.reader import Reader


class Handler(RequestHandler):
    """Read-only: there is nothing but GET."""

    def initialize(self, access: Access, reader: Reader) -> None:
        self.access = access
        self.reader = reader

    def prepare(self) -> None:
        check(self.access, self)

    def set_default_headers(self) -> None:
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Referrer-Policy", "no-referrer")


class First(Handler):
    """Leads on from where it was found: a proxy has it below a path of its own."""

    def get(self) -> None:
        kept = {
            n: self.get_query_argument(n)
            for n in ("run", "token")
            if self.get_query_argument(n, "")
        }
        self.redirect(PAGES[0].path + (f"?{urlencode(kept)}" if kept else ""))


class Health(Handler):
    def prepare(self) -> None:
        """Anybody may ask whether there is one."""

    def get(self) -> None:
        self.set_header("Content-Type", "text/plain")
        self.write("ok")


class IndividualPlots(Handler):
    def get(self) -> None:
        self.write({page.title: f"/individual-{page.path}" for page in PAGES})


class Metrics(Handler):
    def get(self) -> None:
        if find_spec("prometheus_client") is None:
            raise HTTPError(501, reason="pip install dask-serverless[dashboard]")
        from dask_serverless.dashboard.metrics import CONTENT_TYPE, exposition

        self.set_header("Content-Type", CONTENT_TYPE)
        self.write(exposition(self.reader))


def handlers(access: Access, reader: Reader) -> list[Any]:
    told = {"access": access, "reader": reader}
    return [
        ("/", First, told),
        ("/health", Health, told),
        ("/metrics", Metrics, told),
        ("/individual-plots.json", IndividualPlots, told),
    ]
