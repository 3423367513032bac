"""Ahead: any place, some of whose blobs were fetched before anybody asked for them.

One thread downloads, another one asks: for a blob that is under way it waits, one that the other has
not begun with it fetches by itself. A download that failed is as if it had never been tried.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from time import monotonic
from typing import Any

from dask_serverless.blobs.around import Around
from dask_serverless.blobs.base import Place
from dask_serverless.blobs.blobs import Blobs


class Shelf:
    """What has been fetched, and what is under way, by reference."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.under_way: set[bytes] = set()
        self.here: dict[bytes, Any] = {}
        self.asked: set[bytes] = set()  # for these it is too late
        self.took: dict[bytes, float] = {}  # seconds
        self.saved_seconds = 0.0  # of downloads, that nobody had to wait for

    def begin(self, reference: bytes) -> bool:
        """Whether it is worth fetching."""
        with self.changed:
            if reference in self.asked or reference in self.here:
                return False
            self.under_way.add(reference)
            return True

    def has(self, reference: bytes) -> bool:
        with self.changed:
            return reference in self.here or reference in self.under_way

    def end(self, reference: bytes, data: Any | None, seconds: float = 0.0) -> None:
        with self.changed:
            self.under_way.discard(reference)
            if data is not None:
                self.here[reference] = data
                self.took[reference] = seconds
            self.changed.notify_all()

    def claim(self, reference: bytes) -> bool:
        """Whether whoever needs it has to fetch it: nobody else is going to any more."""
        with self.changed:
            if reference in self.here or reference in self.under_way:
                return False
            self.asked.add(reference)
            return True

    def take(self, reference: bytes) -> Any | None:
        """The blob, as soon as it is here, for whoever uses it up; None if it did not come."""
        begun = monotonic()
        with self.changed:
            while reference in self.under_way:
                self.changed.wait()
            self.asked.add(reference)
            waited = monotonic() - begun
            self.saved_seconds += max(0.0, self.took.pop(reference, 0.0) - waited)
            return self.here.pop(reference, None)

    def drop(self, references: Iterable[bytes]) -> None:
        """Nobody is going to ask for these."""
        with self.changed:
            for reference in references:
                self.here.pop(reference, None)
                self.took.pop(reference, None)

    def clear(self) -> None:
        with self.changed:
            self.here.clear()
            self.took.clear()


def ahead(blobs: Blobs, shelf: Shelf) -> Blobs:
    """The same blobs, with those on the shelf at hand."""
    others = [Ahead(p, shelf) for p in blobs.places.values() if p is not blobs.large]
    return Blobs(Ahead(blobs.large, shelf), others, inline_bytes=blobs.inline_bytes)


class Ahead(Around):
    def __init__(self, inner: Place, shelf: Shelf) -> None:
        super().__init__(inner)
        self.shelf = shelf

    def get(self, references: Sequence[bytes]) -> list[Any]:
        """What the thread has not begun with is fetched first: the rest comes meanwhile."""
        mine = [reference for reference in references if self.shelf.claim(reference)]
        found = dict(zip(mine, self.inner.get(mine), strict=True)) if mine else {}
        late = []
        for reference in references:
            if reference not in found and (data := self.shelf.take(reference)) is not None:
                found[reference] = data
            elif reference not in found:
                late.append(reference)
        if late:
            found.update(zip(late, self.inner.get(late), strict=True))
        return [found[reference] for reference in references]
