"""Blobs: packs values, picks the place for each by its size, and finds them again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dask_serverless.blobs.base import Command, Place
from dask_serverless.blobs.frames import Frames, pack, size, unpack

INLINE = b"i"
COMPRESSED = b"z"  # in front of a place's own tag


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

    def put(self, name: str, value: Any) -> tuple[bytes, list[Command]]:
        """The reference to announce, and the commands that must come before it."""
        return self.put_frames(name, pack(value))

    def put_frames(self, name: str, frames: Frames) -> tuple[bytes, list[Command]]:
        if size(frames) <= self.inline_bytes:
            return INLINE + b"".join(frames), []
        if self.compression:
            reference, commands = self.large.put(name, [_compress(frames)])
            return COMPRESSED + reference, commands
        return self.large.put(name, frames)

    def get(self, references: Sequence[bytes]) -> list[Any]:
        """The values; what lies in one place is fetched together."""
        values: dict[int, Any] = {}
        elsewhere: dict[bytes, list[int]] = {}
        for i, reference in enumerate(references):
            if reference[:1] == INLINE:
                values[i] = unpack(memoryview(reference)[1:])
            else:
                elsewhere.setdefault(_bare(reference)[:1], []).append(i)
        for tag, positions in elsewhere.items():
            blobs = self.places[tag].get([_bare(references[i]) for i in positions])
            for i, blob in zip(positions, blobs, strict=True):
                values[i] = unpack(_expand(blob) if references[i][:1] == COMPRESSED else blob)
        return [values[i] for i in range(len(references))]

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


def _compress(frames: Frames) -> bytes:
    import lz4.frame

    return bytes(lz4.frame.compress(b"".join(frames), store_size=True))


def _expand(blob: Any) -> bytearray:
    import lz4.frame

    return bytearray(lz4.frame.decompress(blob))
