"""Blobs in the store itself, spread over all its slots; large ones in several values."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import TYPE_CHECKING

from dask_serverless.blobs.base import Command
from dask_serverless.blobs.frames import Frames, size

if TYPE_CHECKING:
    from dask_serverless.store.link import Link

CHUNK_BYTES = 256 << 20  # a value of Redis holds 512 MB at most
MOST_CHUNKS = 16  # of a blob whose announcement is unknown
LEFTOVER_SECONDS = 7 * 24 * 3600  # when blobs go that nobody is left to delete


class RedisBlobs:
    tag = b"r"

    def __init__(self, link: Link, prefix: str = "ds:blob:") -> None:
        self.link = link
        self.prefix = prefix

    def put(self, name: str, frames: Frames) -> tuple[bytes, list[Command]]:
        key = self.prefix + name
        chunks = -(-size(frames) // CHUNK_BYTES)
        reference = self.tag + f"{chunks} {key}".encode()
        data = b"".join(frames)
        view = memoryview(data)
        values = (
            [data]
            if chunks == 1
            else [bytes(view[i * CHUNK_BYTES : (i + 1) * CHUNK_BYTES]) for i in range(chunks)]
        )
        commands: list[Command] = [
            ("SET", k, value, "EX", LEFTOVER_SECONDS)
            for k, value in zip(keys(reference), values, strict=True)
        ]
        return reference, commands

    def get(self, references: Sequence[bytes]) -> list[bytearray]:
        from dask_serverless.errors import BlobLost

        wanted = [keys(reference) for reference in references]
        replies = iter(self.link.call(*[("GET", key) for group in wanted for key in group]))
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

    def forget(self, prefix: str) -> None:
        """Remove what one claim wrote: blobs named prefix-0, prefix-1, … with no gap."""
        for i in count():
            names = [f"{self.prefix}{prefix}-{i}:{chunk}" for chunk in range(MOST_CHUNKS)]
            if not any(self.link.call(*[("UNLINK", name) for name in names])):
                return

    def delete(self, references: Sequence[bytes]) -> None:
        doomed = [key for reference in references for key in keys(reference)]
        if doomed:
            self.link.call(*[("UNLINK", key) for key in doomed])


def keys(reference: bytes) -> list[str]:
    chunks, _, key = reference[1:].decode().partition(" ")
    return [f"{key}:{i}" for i in range(int(chunks))]
