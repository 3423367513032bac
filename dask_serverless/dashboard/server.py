"""The server: Bokeh's pages and a few plain ones, over a socket that listens already."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from bokeh.application import Application
from bokeh.application.handlers.function import FunctionHandler
from bokeh.resources import Resources
from bokeh.server.server import BaseServer
from bokeh.server.tornado import BokehTornado
from jinja2 import Environment, FileSystemLoader, Template
from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop

from dask_serverless.dashboard.access import Access
from dask_serverless.dashboard.gate import Gate
from dask_serverless.dashboard.handlers import handlers
from dask_serverless.dashboard.logs import log_without
from dask_serverless.dashboard.pages import PAGES
from dask_serverless.dashboard.pages.page import Page
from dask_serverless.dashboard.reader import Reader
from dask_serverless.dashboard.session import Session
from dask_serverless.dashboard.states import LOOKS

# What Bokeh would rather go by: other origins, and scripts from elsewhere.
OVERRIDING = ("BOKEH_ALLOW_WS_ORIGIN", "BOKEH_RESOURCES", "BOKEH_CDN_VERSION")
HERE = "./"  # beside the page: a proxy has all of them below a path of its own
COMPONENTS = ["bokeh", "bokeh-gl", "bokeh-widgets"]
SESSION_SECONDS = 15  # that an unused one is kept
KEEP_ALIVE_MS = 20_000
MOST_MESSAGE_BYTES = 1 << 20  # of what a browser sends: ranges and clicks


def serve(listening: socket.socket, access: Access, reader: Reader) -> None:
    """Until the process is ended."""
    log_without(access.token)
    for setting in OVERRIDING:
        os.environ.pop(setting, None)
    loop = IOLoop.current()
    server = make_server(listening, access, reader, loop)
    server.start()
    try:
        loop.start()
    finally:
        server.stop(wait=False)
        reader.close()


class LetIn(frozenset[str]):
    """All origins: the gate has looked at that of each connection, with scheme and port."""

    def __contains__(self, origin: object) -> bool:
        return True


class Pages(BokehTornado):
    """Bokeh's own would have browsers read its tables and MathJax, too: half of all scripts, before
    anything can be drawn.
    """

    @property
    def websocket_origins(self) -> LetIn:
        return LetIn()

    def resources(self, absolute_url: str | bool | None = None) -> Any:
        usual = super().resources(absolute_url)
        root = usual.root_url if absolute_url else HERE
        return Resources(
            mode=usual.mode,
            root_url=root,
            path_versioner=usual.path_versioner,
            components=COMPONENTS,
        )


def make_server(
    listening: socket.socket, access: Access, reader: Reader, loop: IOLoop
) -> BaseServer:
    tornado = Pages(
        applications(reader),
        extra_patterns=handlers(access, reader),
        auth_provider=Gate(access),
        keep_alive_milliseconds=KEEP_ALIVE_MS,
        unused_session_lifetime_milliseconds=1000 * SESSION_SECONDS,
        check_unused_sessions_milliseconds=1000 * SESSION_SECONDS,
        websocket_max_message_size_bytes=MOST_MESSAGE_BYTES,
        use_index=False,
    )
    http = HTTPServer(tornado)
    listening.setblocking(False)
    http.add_sockets([listening])
    return BaseServer(loop, tornado, http)


def applications(reader: Reader) -> dict[str, Application]:
    """Each page twice: with navigation, and by itself for other frames to show."""
    found = {}
    for page in PAGES:
        for path, alone in ((f"/{page.path}", False), (f"/individual-{page.path}", True)):
            show = partial(shown, reader, page, alone)
            found[path] = Application(FunctionHandler(quiet(show)))
    return found


def quiet(show: Callable[[Any], None]) -> Callable[[Any], None]:
    """Bokeh looks at the function's signature: a partial has none that it likes."""
    return lambda doc: show(doc)


def shown(reader: Reader, page: type[Page], alone: bool, doc: Any) -> None:
    arguments = doc.session_context.request.arguments if doc.session_context else {}
    run = arguments.get("run", [b""])[0].decode(errors="replace")
    doc.title = f"{page.title} · dask-serverless"
    doc.template = template()
    doc.template_variables.update(
        pages=PAGES, page=page, alone=alone, run=run if run.isalnum() else "", looks=LOOKS
    )
    Session(doc, reader, page, run).begin()


def template() -> Template:
    """Autoescaping: what is shown may be a name that somebody thought up."""
    folder = Path(__file__).parent / "templates"
    return Environment(loader=FileSystemLoader(folder), autoescape=True).get_template("page.html")
