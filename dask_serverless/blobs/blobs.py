"""Blobs: packs values, picks the place for each by its size, and finds them again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from dask_serverless.blobs.base import Command, Place
from dask_serverless.blobs.frames import Damaged, Frames, pack, size, unpack
from dask_serverless.blobs.redis import RedisBlobs
from dask_serverless.blobs.shared import SharedFiles
from dask_serverless.errors import BlobLost

INLINE = b"i"
NOTHING: Mapping[bytes, Any] = MappingProxyType({})
COMPRESSED = b"z"  # in front of a place's own tag


class Stored(NamedTuple):
    """A blob that may be announced once its commands, if any, have been carried out."""

    reference: bytes
    commands: list[Command]
    nbytes: int


class Blobs:
    """Small values travel inline; the others go to the place for large ones."""

    def __init__(
        self,
        places: Sequence[Place],
        *,
        inline_bytes: int = 16 << 10,
        compression: str | None = None,
    ) -> None:
        self.places = {place.tag: place for place in places}
        self.large = places[0]
        self.inline_bytes = inline_bytes
        self.compression = compression

    @property
    def remote(self) -> bool:
        """Whether large blobs take time to come: then fetching ahead pays."""
        return self.large.tag != SharedFiles.tag

    @property
    def cleared_by_run(self) -> bool:
        """Whether ``clear`` finds all that a run has left, without being told references."""
        return hasattr(self.large, "clear")

    def put(self, name: str, value: Any) -> Stored:
        return self.put_frames(name, pack(value))

    def put_frames(self, name: str, frames: Frames) -> Stored:
        nbytes = size(frames)
        if nbytes <= self.inline_bytes:
            return Stored(INLINE + b"".join(frames), [], nbytes)
        if self.compression:
            frames = [_compress(frames)]
            reference, commands = self.large.put(name, frames)
            return Stored(COMPRESSED + reference, commands, len(frames[0]))
        return Stored(*self.large.put(name, frames), nbytes)

    def get(self, references: Sequence[bytes], ahead: Mapping[bytes, Any] = NOTHING) -> list[Any]:
        """The values; what has to be fetched is fetched together."""
        found = {**ahead, **self.fetch([r for r in references if r not in ahead])}
        values = []
        taken: set[bytes] = set()
        for reference in references:
            if reference[:1] == INLINE:
                values.append(unpack(memoryview(reference)[1:]))
                continue
            blob = found[reference]
            if reference in taken:  # two constants of the same content must not share memory
                blob = bytearray(blob)
            taken.add(reference)
            try:
                values.append(unpack(_plain(reference, blob)))
            except Damaged as error:
                raise BlobLost(shown(reference), str(error)) from None
        return values

    def fetch(self, references: Sequence[bytes]) -> dict[bytes, Any]:
        """The bytes of those that are not inline, by reference."""
        by_tag: dict[bytes, list[bytes]] = {}
        for reference in references:
            if reference[:1] != INLINE:
                by_tag.setdefault(_bare(reference)[:1], []).append(reference)
        found: dict[bytes, Any] = {}
        for tag, group in by_tag.items():
            found.update(zip(group, self.places[tag].get([_bare(r) for r in group]), strict=True))
        return found

    def forget(self, run: str, claims: Sequence[str]) -> None:
        """Remove what lost claims wrote and did not announce."""
        for place in self.places.values():
            if isinstance(place, RedisBlobs):
                for claim in claims:
                    place.forget(f"{run}/{claim}")

    def delete(self, references: Sequence[bytes]) -> None:
        by_tag: dict[bytes, list[bytes]] = {}
        for reference in map(_bare, references):
            if reference[:1] != INLINE:
                by_tag.setdefault(reference[:1], []).append(reference)
        for tag, group in by_tag.items():
            if tag in self.places:
                self.places[tag].delete(group)

    def clear(self, run: str) -> None:
        """Remove what containers of a run wrote and never announced, where a place can tell."""
        for place in self.places.values():
            if hasattr(place, "clear"):
                place.clear(run)


def _bare(reference: bytes) -> bytes:
    return reference[1:] if reference[:1] == COMPRESSED else reference


def _plain(reference: bytes, blob: Any) -> Any:
    return _expand(blob) if reference[:1] == COMPRESSED else blob


def _compress(frames: Frames) -> bytes:
    import lz4.frame

    return bytes(lz4.frame.compress(b"".join(frames), store_size=True))


def _expand(blob: Any) -> bytearray:
    import lz4.frame

    try:
        return bytearray(lz4.frame.decompress(blob))
    except RuntimeError as error:
        raise Damaged(f"does not decompress ({error})") from None


def shown(reference: bytes) -> str:
    """Where a blob is, for people."""
    return _bare(reference)[1:].decode(errors="replace")
