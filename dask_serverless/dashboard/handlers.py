"""Pages that are no figures: the first one, health, metrics, and what JupyterLab asks for."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from tornado.web import HTTPError, RequestHandler

from dask_serverless.dashboard.access import Access
from dask_serverless.dashboard.gate import DENIED, admitted
from dask_serverless.dashboard.pages import PAGES
from dask_serverless.dashboard.reader import Reader


class Handler(RequestHandler):
    """Read-only: there is nothing but GET."""

    def initialize(self, access: Access, reader: Reader) -> None:
        self.access = access
        self.reader = reader

    def prepare(self) -> None:
        if not self.access.knows(self.request.host):
            raise HTTPError(403, reason="this host name is none of the dashboard's")
        if not admitted(self.access, self):
            raise HTTPError(401, reason="open the link with its token")

    def set_default_headers(self) -> None:
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Referrer-Policy", "no-referrer")


class First(Handler):
    def get(self) -> None:
        kept = {
            n: self.get_query_argument(n)
            for n in ("run", "token")
            if self.get_query_argument(n, "")
        }
        self.redirect(f"/{PAGES[0].path}" + (f"?{urlencode(kept)}" if kept else ""))


class Health(Handler):
    def prepare(self) -> None:
        """Anybody may ask whether there is one."""

    def get(self) -> None:
        self.set_header("Content-Type", "text/plain")
        self.write("ok")


class IndividualPlots(Handler):
    def get(self) -> None:
        self.write({page.title: f"/individual-{page.path}" for page in PAGES})


class Denied(Handler):
    def prepare(self) -> None:
        """Whoever comes here was not let in elsewhere."""

    def get(self) -> None:
        self.set_status(401)
        self.set_header("Content-Type", "text/plain")
        self.write("This dashboard is open to those who have its token: open the whole link.")


def handlers(access: Access, reader: Reader) -> list[Any]:
    told = {"access": access, "reader": reader}
    return [
        ("/", First, told),
        ("/health", Health, told),
        ("/individual-plots.json", IndividualPlots, told),
        (f"/{DENIED}", Denied, told),
    ]
