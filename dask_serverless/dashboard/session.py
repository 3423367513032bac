"""Session: one open page; follows a run, draws what is new, never more often than it can."""

from __future__ import annotations

import time
from typing import Any

from bokeh.layouts import column
from bokeh.models import CustomJS, Div

from dask_serverless.dashboard.heading import ENDED, banner, heading, nothing
from dask_serverless.dashboard.pages.page import Page
from dask_serverless.dashboard.reader import Opened, Reader
from dask_serverless.dashboard.replay import Replay
from dask_serverless.dashboard.style import sheet
from dask_serverless.dashboard.view import View

LEAST_MS = 100  # between two updates of a page
SHARE = 4  # drawing may take one part in this many of a page's time
# Bokeh's browser side lets go of what left a page when nothing came for half a minute: with one run
# after the other, never. A second later nobody draws it any more. Figures would hear of zooms for ever.
LET_GO = """
for (const each of window.zooming.splice(0)) visualViewport.removeEventListener(...each)
const page = cb_obj.document
setTimeout(() => page.freeze_all_models?.(() => {}), 1000)
"""


class Session:
    """Everything here runs in the server's thread, but for ``changed``."""

    def __init__(self, doc: Any, reader: Reader, page: type[Page], run: str) -> None:
        self.doc = doc
        self.reader = reader
        self.kind = page
        self.wanted = run  # "": whichever is the latest
        self.opened: Opened | None = None
        self.view: View | None = None
        self.page: Page | None = None
        self.replay: Replay | None = None
        self.heading = Div(sizing_mode="stretch_width", stylesheets=[sheet()], name="heading")
        self.banner = Div(
            sizing_mode="stretch_width", visible=False, stylesheets=[sheet()], name="banner"
        )
        self.cut_off = Div(
            text=banner(ENDED), visible=False, stylesheets=[sheet()], name="cut off",
            sizing_mode="stretch_width",
        )  # fmt: skip
        self.body = column(sizing_mode="stretch_width")
        self.body.js_on_change("children", CustomJS(code=LET_GO))
        self.scheduled = False
        self.ended = False

    def begin(self) -> None:
        root = column(
            self.banner,
            self.cut_off,
            self.heading,
            self.body,
            sizing_mode="stretch_width",
            name="root",
        )
        self.doc.add_root(root)
        self.tell_of_the_connection()
        self.reader.listeners.add(self.changed)
        self.doc.on_session_destroyed(lambda _: self.end())
        self.update()

    def tell_of_the_connection(self) -> None:
        """In the browser: when the dashboard has ended, nobody else can."""
        for event, lost in (("connection_lost", "true"), ("client_reconnected", "false")):
            code = f"message.visible = {lost}"
            self.doc.js_on_event(event, CustomJS(args={"message": self.cut_off}, code=code))

    def end(self) -> None:
        self.ended = True
        self.reader.listeners.discard(self.changed)
        if self.opened is not None:
            self.opened.listeners.discard(self.changed)

    def changed(self) -> None:
        """Called by the threads that read; much that happens at once is drawn at once."""
        if not self.scheduled and not self.ended:
            self.scheduled = True
            try:
                self.doc.add_next_tick_callback(self.update)
            except AttributeError:  # the browser leaves, and Bokeh has begun to take it apart
                self.ended = True

    def update(self) -> None:
        if self.ended:  # asked for before, and the document is gone
            return
        begun = time.perf_counter()
        self.scheduled = True
        self.drawn = self.state()
        try:
            self.choose()
            self.draw()
        finally:
            pause = max(LEAST_MS, round(SHARE * 1000 * (time.perf_counter() - begun)))
            self.doc.add_timeout_callback(self.rested, pause)

    def rested(self) -> None:
        """Two runs of the same may have told of as much: it is another view that is to be drawn."""
        self.scheduled = False
        if self.found is not self.view or self.state() != self.drawn:
            self.changed()

    @property
    def found(self) -> View | None:
        """What is read of the run, as soon as it is."""
        return self.opened.view if self.opened is not None else None

    def state(self) -> tuple[Any, ...]:
        """What the page depends on."""
        view = self.found
        version = view.series.version if view is not None else -1
        trouble = self.opened.trouble if self.opened is not None else ""
        reader = self.reader
        latest = self.wanted or reader.latest
        return (
            latest,
            version,
            trouble,
            reader.trouble,
            0 if self.kind.of_a_run else reader.listing.version,
            reader.measurements.version,
        )

    def choose(self) -> None:
        """The run to look at, if the page is about one; the latest one changes."""
        if not self.kind.of_a_run:
            return
        run = self.wanted or self.reader.latest
        if self.opened is not None and self.opened.run == run and not self.opened.closed.is_set():
            return
        if self.opened is not None:
            self.opened.listeners.discard(self.changed)
        self.opened = self.reader.open(run) if run else None
        if self.opened is not None:
            self.opened.listeners.add(self.changed)

    def draw(self) -> None:
        self.banner.visible = bool(self.reader.trouble)
        self.banner.text = banner(self.reader.trouble)
        view = self.found
        if view is None and self.kind.needs_run:
            self.heading.text = ""
            trouble = self.opened.trouble if self.opened is not None else ""
            self.body.children = [nothing(self.opened.run if self.opened else "", trouble)]
            self.page = self.view = None
            return
        if self.page is None or view is not self.view:
            self.begin_page(view)
        if view is not None:
            self.heading.text = heading(view)
        assert self.page is not None
        self.page.update(self.replay.moment() if self.replay is not None else None)

    def begin_page(self, view: View | None) -> None:
        self.view = view
        self.page = self.kind(view, self.reader)
        self.page.schedule = self.changed
        self.replay = None
        children = [self.page.root]
        if view is not None and self.kind.replayed:
            self.replay = Replay(view, self.redraw)
            children.insert(0, self.replay.root)
        self.body.children = children

    def redraw(self) -> None:
        if self.page is not None and self.replay is not None:
            self.page.update(self.replay.moment())
