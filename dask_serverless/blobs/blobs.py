"""Blobs: puts values into frames, picks the place for each by its size, and finds them again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import repeat
from typing import Any

from dask_serverless.blobs.base import Place, Stored
from dask_serverless.blobs.frames import Damaged, Frames, framed, size, unframed
from dask_serverless.errors import BlobLost

INLINE = b"i"
INLINE_BYTES = 16 << 10  # no larger, and it travels within the call itself; as the settings have it
MOST_INLINE_BYTES = 64 << 20  # what travels inline is part of a value, of 512 MB at most

Pack = Callable[[Any], Frames]
Unpack = Callable[[Any], Any]
PACKS: Iterable[Pack] = repeat(framed)  # for as many values as there are
UNPACKS: Iterable[Unpack] = repeat(unframed)


class Blobs:
    """Small values travel inline; the others go to the place for large ones."""

    def __init__(
        self, large: Place, others: Sequence[Place] = (), *, inline_bytes: int = INLINE_BYTES
    ) -> None:
        self.large = large
        self.places = {place.tag: place for place in (large, *others)}
        self.inline_bytes = min(inline_bytes, MOST_INLINE_BYTES)

    @property
    def knows_runs(self) -> bool:
        """Whether ``clear`` finds all that a run has left, without being told references."""
        return self.large.knows_runs

    def put(self, name: str, value: Any, pack: Pack = framed) -> Stored:
        return self.put_frames(name, pack(value))

    def put_frames(self, name: str, frames: Frames) -> Stored:
        nbytes = size(frames)
        if nbytes <= self.inline_bytes:
            return Stored(INLINE + b"".join(frames), [], nbytes)
        return self.large.put(name, frames)

    def put_apart(self, name: str, value: Any, pack: Pack = framed) -> Stored:
        """Not inline, however small: the call that announces it is large already."""
        return self.large.put(name, pack(value))

    def get(self, references: Sequence[bytes], unpacks: Iterable[Unpack] = UNPACKS) -> list[Any]:
        """The values; what has to be fetched is fetched together."""
        found = self.fetch(references)
        values = []
        taken: set[bytes] = set()
        for reference, unpack in zip(references, unpacks, strict=False):
            if reference[:1] == INLINE:
                values.append(unpack(memoryview(reference)[1:]))
                continue
            blob = found[reference]
            if reference in taken:  # two constants of the same content must not share memory
                blob = bytearray(blob)
            taken.add(reference)
            try:
                values.append(unpack(blob))
            except Damaged as error:
                raise BlobLost(shown(reference), str(error)) from None
        return values

    def fetch(self, references: Sequence[bytes]) -> dict[bytes, Any]:
        """The bytes of those that are not inline, by reference."""
        found: dict[bytes, Any] = {}
        for place, group in self.by_place(references):
            found.update(zip(group, place.get(group), strict=True))
        return found

    def by_place(self, references: Sequence[bytes]) -> Iterator[tuple[Place, list[bytes]]]:
        groups: dict[bytes, list[bytes]] = {}
        for reference in references:
            if reference[:1] != INLINE:
                groups.setdefault(reference[:1], []).append(reference)
        return ((self.places[tag], group) for tag, group in groups.items() if tag in self.places)

    def keep(self, references: Sequence[bytes]) -> None:
        """Their run is still looked after: they must not go by themselves."""
        for place, group in self.by_place(references):
            place.keep(group)

    def delete(self, references: Sequence[bytes]) -> None:
        all_of(partial(place.delete, group) for place, group in self.by_place(references))

    def forget(self, run: str, claims: Sequence[str]) -> None:
        """Remove what lost claims wrote and did not announce."""
        for place in self.places.values():
            for claim in claims:
                place.forget(f"{run}/{claim}")

    def clear(self, run: str) -> None:
        """Remove what containers of a run wrote and never announced, where a place can tell."""
        all_of(partial(place.clear, run) for place in self.places.values())


def all_of(calls: Iterable[Callable[[], object]]) -> None:
    """Make every call, also after one that failed; the first failure is raised at the end."""
    failures = []
    for call in calls:
        try:
            call()
        except Exception as error:
            failures.append(error)
    if failures:
        raise failures[0]


def shown(reference: bytes) -> str:
    """Where a blob is, for people."""
    return reference[1:].decode(errors="replace")
