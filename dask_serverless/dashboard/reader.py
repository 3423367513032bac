"""Reads a store for pages: the list of runs, and each run that somebody looks at, as it goes on."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import msgpack

from dask_serverless.client.audience import CHANNEL
from dask_serverless.client.structure import Structure
from dask_serverless.coordination import watched
from dask_serverless.dashboard.view import View
from dask_serverless.errors import RunUnreadable, ServerlessError, StoreError
from dask_serverless.store.connect import open_link
from dask_serverless.store.link import Link
from dask_serverless.worker.witness import Batch

WAIT_SECONDS = 0.5  # for something to happen, before a look at who works on what
REST_SECONDS = 0.05  # between two reads: what happens meanwhile comes in one go
AGAIN_SECONDS = 1.0  # until the next try with a store that did not answer
AFTERWARDS_SECONDS = 3.0  # containers may still tell something when the run is over
PATIENCE_SECONDS = 1.0
ENTRIES_AT_ONCE = 500
MOST_VIEWS = 8  # runs that are held in memory; whoever opens another one lets go of the oldest
MOST_RUNS = watched.MOST_RUNS


@dataclass(frozen=True)
class Listed:
    """A run in the list."""

    run: str
    submitted: float  # seconds of the epoch
    tasks: int
    bundles: int
    host: str = ""


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
        self.runs: deque[Listed] = deque(maxlen=MOST_RUNS)
        self.opened: OrderedDict[str, Opened] = OrderedDict()
        self.listeners: set[Callable[[], None]] = set()
        self.trouble = ""  # why the store cannot be read just now
        self.known = threading.Event()  # the list was read once
        self.lock = threading.Lock()
        self.closed = threading.Event()
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
        return self.runs[-1].run if self.runs else ""

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
                self.runs.clear()
            try:
                with open_link(url, PATIENCE_SECONDS) as link, open_link(url) as presence:
                    if not link.cluster:
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
        (reply,) = link.call(reading, wait_seconds=WAIT_SECONDS)
        if not reply:
            self.known.set()
            return last
        entries = reply[0][1]
        for _, fields in entries:
            with suppress(ValueError, TypeError, KeyError):  # of another version
                told = msgpack.unpackb(fields[1])
                self.runs.append(Listed(**{name: told[name] for name in LISTED}))
        self.changed()
        return str(entries[-1][0].decode())

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


LISTED = ("run", "submitted", "tasks", "bundles", "host")


class RunReading:
    """Where the reading of one run stands; a new connection goes on where the last one ended."""

    def __init__(self, opened: Opened, reader: Reader) -> None:
        self.opened = opened
        self.reader = reader
        self.last = "0-0"
        self.complete = False
        self.until = 0.0  # by the monotonic clock, once the run is over

    def go_on(self, link: Link) -> None:
        self.reader.told("")
        if self.opened.view is None:
            self.begin(link)
        while not (self.opened.closed.is_set() or self.reader.closed.is_set() or self.complete):
            if self.step(link):
                self.opened.changed()
                time.sleep(REST_SECONDS)

    def begin(self, link: Link) -> None:
        view = view_of(link, self.opened.run)
        view.groups, view.layout  # noqa: B018 - worked out here, and not while a page waits
        self.last = "0-0"
        while self.add(view, self.read(link, self.last, 0.0)):
            pass  # page by page
        self.opened.view = view
        self.opened.changed()

    def read(self, link: Link, last: str, wait_seconds: float) -> list[Any]:
        block = ("BLOCK", int(1000 * wait_seconds)) if wait_seconds else ()
        run = self.opened.run
        replies = link.call(
            ("XREAD", "COUNT", ENTRIES_AT_ONCE, *block, "STREAMS", watched.watched_key(run), last),
            ("HGETALL", watched.working_key(run)),
            ("HGETALL", watched.losses_key(run)),
            wait_seconds=wait_seconds,
        )
        return list(replies)

    def step(self, link: Link) -> bool:
        view = self.opened.view
        assert view is not None
        changed = self.add(view, self.read(link, self.last, WAIT_SECONDS))
        if view.series.over is not None:
            self.until = self.until or time.monotonic() + AFTERWARDS_SECONDS
            self.complete = time.monotonic() > self.until
        return changed

    def add(self, view: View, replies: list[Any]) -> bool:
        """Whether anything is new."""
        stream, working, losses = replies
        entries = stream[0][1] if stream else []
        with view.lock:
            before = view.series.version
            for name, fields in entries:
                self.last = name.decode()
                heed(view, fields)
            now = time.time() - view.structure.submitted
            view.series.heed_working(working_of(working), now)
            view.series.heed_losses(watched.losses(losses), now)
            return view.series.version > before


def view_of(link: Link, run: str) -> View:
    """What is known of a run before anything happens."""
    (packed,) = link.call(("GET", watched.structure_key(run)))
    if packed is None:
        raise RunUnreadable("the store has nothing of it (any more)")
    return View(Structure.unpack(packed))


def read_whole(link: Link, run: str) -> View:
    """A run that is over, as far as containers have told of it."""
    view, last = view_of(link, run), b"-"
    while page := link.call(
        ("XRANGE", watched.watched_key(run), last, "+", "COUNT", ENTRIES_AT_ONCE)
    )[0]:
        for _, fields in page:
            heed(view, fields)
        last = b"(" + page[-1][0]
    return view


def heed(view: View, fields: list[bytes]) -> None:
    """One entry of a run's stream; what another version wrote is passed over."""
    what, told = fields[0].decode(), fields[1]
    with suppress(ValueError, TypeError, KeyError):
        if what == watched.BATCH:
            view.series.heed(Batch.unpack(told))
        elif what == watched.OVER:
            view.series.heed_end(msgpack.unpackb(told, strict_map_key=False))


def working_of(reply: list[bytes]) -> dict[int, str]:
    """Bundle → container."""
    pairs = zip(reply[::2], reply[1::2], strict=True)
    return {int(work.split()[0]): name.decode() for name, work in pairs if name and work}
