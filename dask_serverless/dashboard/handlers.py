"""Pages that are no figures: the first one, health, metrics, and what JupyterLab asks for."""

from __future__ import annotations

from asyncio import Event, get_running_loop, wait_for
from contextlib import suppress
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlencode

from tornado.web import HTTPError, RequestHandler

from dask_serverless.dashboard.access import Access
from dask_serverless.dashboard.gate import check
from dask_serverless.dashboard.pages import PAGES
from dask_serverless.dashboard.reader import Reader

PATIENCE_SECONDS = 5.0  # of who scrapes metrics, with a run that is being read: Prometheus has 10


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
    async def get(self) -> None:
        if find_spec("prometheus_client") is None:
            raise HTTPError(501, reason="pip install dask-serverless[dashboard]")
        from dask_serverless.dashboard.metrics import CONTENT_TYPE, exposition

        await self.latest_read()
        self.set_header("Content-Type", CONTENT_TYPE)
        self.write(exposition(self.reader))

    async def latest_read(self) -> None:
        """A run that nobody has looked at yet is read first: where each scrape finds another run, none
        would ever be told of.
        """
        if not self.reader.latest:
            return
        opened, loop, told = self.reader.open(self.reader.latest), get_running_loop(), Event()

        def changed() -> None:
            loop.call_soon_threadsafe(told.set)

        opened.listeners.add(changed)
        try:
            if opened.view is None and not opened.trouble:
                with suppress(TimeoutError):
                    await wait_for(told.wait(), PATIENCE_SECONDS)
        finally:
            opened.listeners.discard(changed)


def handlers(access: Access, reader: Reader) -> list[Any]:
    told = {"access": access, "reader": reader}
    return [
        ("/", First, told),
        ("/health", Health, told),
        ("/metrics", Metrics, told),
        ("/individual-plots.json", IndividualPlots, told),
    ]
