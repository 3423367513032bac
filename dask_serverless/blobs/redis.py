"""Blobs in the store itself, spread over all its slots; large ones in several values."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import TYPE_CHECKING, Any

from dask_serverless.blobs.base import LIVE_SECONDS, Command, Place, Stored
from dask_serverless.blobs.frames import Frames, size

if TYPE_CHECKING:
    from dask_serverless.store.link import Link

CHUNK_BYTES = 256 << 20  # a value of Redis holds 512 MB at most
MOST_CHUNKS = 16  # of a blob whose announcement is unknown


class RedisBlobs(Place):
    """What is written lives for as long as a container that wrote it in vain may leave it behind; what
    a client looks after, for as long as that client may be silent."""

    tag = b"r"

    def __init__(
        self, link: Link, prefix: str = "ds:blob:", live_seconds: int = LIVE_SECONDS
    ) -> None:
        self.link = link
        self.prefix = prefix
        self.live_seconds = live_seconds

    def put(self, name: str, frames: Frames) -> Stored:
        key = self.prefix + name
        chunk_bytes = self.chunk_bytes(size(frames))
        chunks = -(-size(frames) // chunk_bytes)
        reference = self.tag + f"{chunks} {key}".encode()
        data = b"".join(frames)
        view = memoryview(data)
        values = (
            [data]
            if chunks == 1
            else [view[i * chunk_bytes : (i + 1) * chunk_bytes] for i in range(chunks)]
        )
        commands: list[Command] = [
            ("SET", k, value, "EX", LIVE_SECONDS)
            for k, value in zip(keys(reference), values, strict=True)
        ]
        return Stored(reference, commands, len(data))

    def chunk_bytes(self, nbytes: int) -> int:
        """Of each value, for a blob of this size."""
        return CHUNK_BYTES

    def get(self, references: Sequence[bytes]) -> list[bytearray]:
        from dask_serverless.errors import BlobLost

        wanted = [keys(reference) for reference in references]
        replies = iter(self.values([key for group in wanted for key in group]))
        blobs = []
        for group in wanted:
            blob = bytearray()
            for key in group:
                data = next(replies)
                if data is None:
                    raise BlobLost(key)
                blob += data
            blobs.append(blob)
        return blobs

    def values(self, names: Sequence[str]) -> list[Any]:
        """What is under these keys, fetched together; None where there is nothing."""
        return self.link.call(*[("GET", name) for name in names])

    def keep(self, references: Sequence[bytes]) -> None:
        named = [key for reference in references for key in keys(reference)]
        if named:
            self.link.call(*[("EXPIRE", key, self.live_seconds) for key in named])

    def forget(self, name: str) -> None:
        for i in count():
            names = [f"{self.prefix}{name}-{i}:{chunk}" for chunk in range(MOST_CHUNKS)]
            if not any(self.link.call(*[("UNLINK", key) for key in names])):
                return

    def delete(self, references: Sequence[bytes]) -> None:
        doomed = [key for reference in references for key in keys(reference)]
        if doomed:
            self.link.call(*[("UNLINK", key) for key in doomed])


def keys(reference: bytes) -> list[str]:
    chunks, _, key = reference[1:].decode().partition(" ")
    return [f"{key}:{i}" for i in range(int(chunks))]
