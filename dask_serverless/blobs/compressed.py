"""Compressed: any place, with its blobs in fewer bytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dask_serverless.blobs.base import Stored
from dask_serverless.blobs.frames import Frames
from dask_serverless.blobs.wrapped import Wrapped
from dask_serverless.errors import BlobLost


class Compressed(Wrapped):
    """Each blob is one frame of LZ4; a reference is the inner place's, behind a tag of its own."""

    tag = b"z"

    def put(self, name: str, frames: Frames) -> Stored:
        import lz4.frame

        data = bytes(lz4.frame.compress(b"".join(frames), store_size=True))
        stored = self.inner.put(name, [data])
        return stored._replace(reference=self.tag + stored.reference)

    def get(self, references: Sequence[bytes]) -> list[bytearray]:
        found = self.inner.get(self.bare_ones(references))
        return [expand(reference, data) for reference, data in zip(references, found, strict=True)]

    def bare(self, reference: bytes) -> bytes:
        return reference[1:]


def expand(reference: bytes, data: Any) -> bytearray:
    import lz4.frame

    try:
        return bytearray(lz4.frame.decompress(data))
    except RuntimeError as error:
        name = reference[2:].decode(errors="replace")
        raise BlobLost(name, f"does not decompress ({error})") from None
