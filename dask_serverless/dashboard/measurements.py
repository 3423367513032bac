"""Measurements: the history that pages show, read now and then while somebody looks at it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dask_serverless.errors import ServerlessError
from dask_serverless.history.archive import Archive
from dask_serverless.history.description import Row, rows_of
from dask_serverless.history.opening import archive_at

LATER_SECONDS = 2.0  # clients save what they measured a second after a run


@dataclass(frozen=True)
class Measured:
    """What a history held when it was read."""

    rows: Sequence[Row] = ()
    shown: str = ""  # where it is
    trouble: str = ""  # why it cannot be read


class Measurements:
    """Pages ask for a refresh as often as they like; a thread reads, and says when it has."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self.changed = changed
        self.place: tuple[bool | str, str | None] | None = None
        self.archive: Archive | None = None
        self.latest = Measured()
        self.version = 0  # grows with each read that found something else
        self.thread: threading.Thread | None = None  # that is going to read

    def follow(self, history: bool | str, store: str | None) -> None:
        """The place that these settings mean, or would mean: a script may have turned it on."""
        if (history, store) != self.place:
            self.place = history, store

    def refresh(self) -> None:
        """Returns at once; what is asked again while a read is due is that read."""
        if self.place is None or self.thread is not None:
            return
        self.thread = threading.Thread(target=self.read_later, name="history", daemon=True)
        self.thread.start()

    def read_later(self) -> None:
        if self.version:
            time.sleep(LATER_SECONDS)
        self.thread = None
        before = self.latest
        self.read()
        if self.latest != before:
            self.version += 1
            self.changed()

    def read(self) -> Measured:
        assert self.place is not None
        try:
            archive = archive_at(*self.place)
            if self.archive is None or self.archive.shown != archive.shown:
                self.archive = archive
            self.latest = Measured(rows_of(self.archive.load()), archive.shown)
        except ServerlessError as error:
            where = self.archive.shown if self.archive is not None else ""
            self.latest = Measured((), where, str(error))
        return self.latest
