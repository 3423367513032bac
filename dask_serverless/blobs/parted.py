"""Parted: the store's blobs in parts that can be fetched before all of them are there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dask_serverless.blobs.ahead import Shelf
from dask_serverless.blobs.base import LIVE_SECONDS, Place
from dask_serverless.blobs.blobs import Blobs
from dask_serverless.blobs.redis import CHUNK_BYTES, MOST_CHUNKS, RedisBlobs, keys
from dask_serverless.blobs.storage import Storage

if TYPE_CHECKING:
    from dask_serverless.store.link import Link

PART_BYTES = 1 << 20  # at least: a smaller one would take little more than its round trip


class Parted(RedisBlobs):
    """What is announced is fetched from the shelf, part by part, as far as it is there.

    The innermost of all places: signatures are checked and data is decompressed around it, as if
    all had been fetched in one go.
    """

    def __init__(self, link: Link, shelf: Shelf, live_seconds: int = LIVE_SECONDS) -> None:
        super().__init__(link, live_seconds=live_seconds)
        self.shelf = shelf

    def chunk_bytes(self, nbytes: int) -> int:
        return min(CHUNK_BYTES, max(PART_BYTES, -(-nbytes // MOST_CHUNKS)))

    def values(self, names: Sequence[str]) -> list[Any]:
        """What nobody has begun to fetch comes first: the rest is under way meanwhile."""
        mine = [name for name in names if self.shelf.claim(name.encode())]
        found = dict(zip(mine, self.fetched(mine), strict=True))
        for name in names:
            if name not in found:
                found[name] = self.shelf.take(name.encode())
        late = [name for name in names if found[name] is None]
        found.update(zip(late, self.fetched(late), strict=True))
        return [found[name] for name in names]

    def fetched(self, names: Sequence[str]) -> list[Any]:
        """From the store itself."""
        return super().values(names) if names else []

    def begun(self, reference: bytes) -> bool:
        """Whether any part of a blob is here, or under way."""
        return any(self.shelf.has(name.encode()) for name in keys(reference))


@dataclass(frozen=True)
class PartedStorage(Storage):
    """The same places, but for the store itself."""

    shelf: Shelf = field(default_factory=Shelf, compare=False)

    @staticmethod
    def of(storage: Storage) -> PartedStorage:
        return PartedStorage(**vars(storage))

    def places(self, link: Link) -> list[Place]:
        return [
            Parted(link, self.shelf, self.live_seconds) if isinstance(place, RedisBlobs) else place
            for place in super().places(link)
        ]


def parted_in(blobs: Blobs) -> Parted | None:
    """The store itself, if that is where large blobs are."""
    place: Any = blobs.large
    while not isinstance(place, Parted) and hasattr(place, "inner"):
        place = place.inner
    return place if isinstance(place, Parted) else None
