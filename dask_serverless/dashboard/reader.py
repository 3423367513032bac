"""Reads a store for pages: the list of runs, and each run that somebody looks at, as it goes on."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from dask_serverless.client.audience import CHANNEL
from dask_serverless.client.structure import Structure
from dask_serverless.coordination import watched
from dask_serverless.dashboard.following import ENTRIES_AT_ONCE, Following, heed
from dask_serverless.dashboard.listing import Listing
from dask_serverless.dashboard.measurements import Measurements
from dask_serverless.dashboard.view import View
from dask_serverless.errors import RunUnreadable, ServerlessError, StoreError
from dask_serverless.store.connect import open_link
from dask_serverless.store.link import Link

WAIT_SECONDS = 0.5  # for something to happen, before a look at who works on what
REST_SECONDS = 0.05  # between two reads: what happens meanwhile comes in one go
AGAIN_SECONDS = 1.0  # until the next try with a store that did not answer
AFTERWARDS_SECONDS = 3.0  # containers may still tell something when the run is over
PATIENCE_SECONDS = 1.0
MOST_VIEWS = 8  # runs that are held in memory; whoever opens another one lets go of the oldest


@dataclass(eq=False)
class Opened:
    """A run that somebody looks at: the view as soon as it is read, or why there is none."""

    run: str
    view: View | None = None
    trouble: str = ""
    over: bool = False
    closed: threading.Event = field(default_factory=threading.Event)
    listeners: set[Callable[[], None]] = field(default_factory=set)

    def changed(self) -> None:
        for listener in list(self.listeners):
            listener()


class Reader:
    """One store; threads read from it, and call whoever listens."""

    def __init__(self, url: str = "") -> None:
        self.url = url
        self.listing = Listing()
        self.opened: OrderedDict[str, Opened] = OrderedDict()
        self.listeners: set[Callable[[], None]] = set()
        self.trouble = ""  # why the store cannot be read just now
        self.known = threading.Event()  # the list was read once
        self.lock = threading.Lock()
        self.closed = threading.Event()
        self.measurements = Measurements(self.changed)
        self.thread: threading.Thread | None = None
        if url:
            self.follow(url)

    def follow(self, url: str) -> None:
        """Read from this store from now on."""
        with self.lock:
            self.url = url
            if self.thread is None:
                self.thread = threading.Thread(target=self.keep_list, name="runs", daemon=True)
                self.thread.start()

    def close(self) -> None:
        self.closed.set()
        for opened in self.opened.values():
            opened.closed.set()

    @property
    def latest(self) -> str:
        return self.listing.latest

    def changed(self) -> None:
        for listener in list(self.listeners):
            listener()

    # The list

    def keep_list(self) -> None:
        last = "0-0"
        url = self.url
        while not self.closed.is_set():
            if url != self.url:
                url, last = self.url, "0-0"
                self.listing.clear()
            try:
                with open_link(url, PATIENCE_SECONDS) as link, open_link(url) as presence:
                    presence.call(("SUBSCRIBE", CHANNEL))
                    self.told("")
                    while not self.closed.is_set() and url == self.url:
                        last = self.read_list(link, last)
            except ServerlessError as error:
                self.told(str(error))
                self.closed.wait(AGAIN_SECONDS)

    def read_list(self, link: Link, last: str) -> str:
        """Read on; where the store has lost its list, from its beginning."""
        block = ("BLOCK", int(1000 * WAIT_SECONDS)) if self.known.is_set() else ()
        reading = ("XREAD", "COUNT", 1000, *block, "STREAMS", watched.INDEX, last)
        asked = self.listing.asked()
        looks = [command for _, command in asked]
        reply, *lives = link.call(reading, *looks, wait_seconds=WAIT_SECONDS)
        before = self.listing.version
        if reply:
            entries = reply[0][1]
            self.listing.heed(entries)
            last = str(entries[-1][0].decode())
        else:
            self.known.set()
        self.listing.heed_silence([run for run, _ in asked], lives, time.time())
        if self.listing.version != before:
            self.changed()
        return last

    def told(self, trouble: str) -> None:
        if trouble != self.trouble:
            self.trouble = trouble
            self.changed()
            for opened in list(self.opened.values()):
                opened.changed()

    # Runs

    def open(self, run: str) -> Opened:
        """Known at once; its view comes when it has been read."""
        with self.lock:
            opened = self.opened.get(run)
            if opened is None or opened.trouble:
                opened = self.opened[run] = Opened(run)
                name = f"run {run}"
                threading.Thread(target=self.read, args=(opened,), name=name, daemon=True).start()
            self.opened.move_to_end(run)
            while len(self.opened) > MOST_VIEWS:
                self.opened.popitem(last=False)[1].closed.set()
            return opened

    def read(self, opened: Opened) -> None:
        """All there is of a run, and what is added until it is over."""
        reading = RunReading(opened, self)
        while not (opened.closed.is_set() or self.closed.is_set() or reading.complete):
            if not self.url:  # nothing was computed yet
                self.closed.wait(WAIT_SECONDS)
                continue
            try:
                with open_link(self.url, PATIENCE_SECONDS) as link:
                    reading.go_on(link)
            except RunUnreadable as error:
                opened.trouble = str(error)
                opened.changed()
                return
            except StoreError as error:
                self.told(str(error))
                self.closed.wait(AGAIN_SECONDS)


class RunReading:
    """A run that somebody looks at, until it is over; whatever connections that takes."""

    def __init__(self, opened: Opened, reader: Reader) -> None:
        self.opened = opened
        self.reader = reader
        self.following: Following | None = None
        self.complete = False
        self.until = 0.0  # by the monotonic clock, once the run is over

    def go_on(self, link: Link) -> None:
        self.reader.told("")
        following = self.following = self.following or self.begin(link)
        while not (self.opened.closed.is_set() or self.reader.closed.is_set() or self.complete):
            if self.step(link, following):
                self.opened.changed()
                time.sleep(REST_SECONDS)

    def begin(self, link: Link) -> Following:
        view = view_of(link, self.opened.run)
        view.groups, view.layout  # noqa: B018 - worked out here, and not while a page waits
        following = Following(self.opened.run, view)
        while following.read(link):
            pass  # page by page
        self.opened.view = view
        self.opened.changed()
        return following

    def step(self, link: Link, following: Following) -> bool:
        changed = following.read(link, WAIT_SECONDS)
        series = following.view.series
        if series.over is None and not (series.abandoned and following.gone):
            self.until = 0.0
            return changed
        self.until = self.until or time.monotonic() + AFTERWARDS_SECONDS
        self.complete = time.monotonic() > self.until
        return changed


def view_of(link: Link, run: str) -> View:
    """What is known of a run before anything happens."""
    (packed,) = link.call(("GET", watched.structure_key(run)))
    if packed is None:
        raise RunUnreadable("the store has nothing of it (any more)")
    return View(Structure.unpack(packed))


def read_whole(link: Link, run: str) -> View:
    """A run that is over, as far as containers have told of it."""
    view = view_of(link, run)
    for key in (watched.watched_key(run), watched.lines_key(run)):
        last = b"-"
        while page := link.call(("XRANGE", key, last, "+", "COUNT", ENTRIES_AT_ONCE))[0]:
            for _, fields in page:
                heed(view, fields)
            last = b"(" + page[-1][0]
    return view
