"""Streamed: any place, where blobs that have come in parts are taken as they came."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dask_serverless.blobs.around import Around
from dask_serverless.blobs.base import Place
from dask_serverless.blobs.blobs import Blobs
from dask_serverless.blobs.parted import Parted


class Streamed(Around):
    """Any place; a blob of which parts are here already is fetched by way of these."""

    def __init__(self, inner: Place, parted: Place) -> None:
        super().__init__(inner)
        self.parted = parted

    def get(self, references: Sequence[bytes]) -> list[Any]:
        begun = [reference for reference in references if has_begun(self.parted, reference)]
        others = [reference for reference in references if reference not in begun]
        found = dict(zip(others, self.inner.get(others), strict=True)) if others else {}
        if begun:
            found.update(zip(begun, self.parted.get(begun), strict=True))
        return [found[reference] for reference in references]


def streamed(blobs: Blobs, parted: Blobs) -> Blobs:
    """The same blobs, where those that come in parts are taken as they came."""
    large, *others = [Streamed(place, parted.places[tag]) for tag, place in blobs.places.items()]
    return Blobs(large, others, inline_bytes=blobs.inline_bytes)


def has_begun(place: Any, reference: bytes) -> bool:
    while not isinstance(place, Parted):
        if not hasattr(place, "bare"):
            return False
        place, reference = place.inner, place.bare(reference)
    return place.begun(reference)
