"""What every place for blobs can do; ``memory.py`` is the twin that tests run beside the real ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from dask_serverless.blobs.frames import Frames

Command = tuple[Any, ...]  # one store command, its name first


class Place(Protocol):
    """Somewhere blobs can live. A reference starts with the place's tag, one byte."""

    tag: bytes

    def put(self, name: str, frames: Frames) -> tuple[bytes, list[Command]]:
        """Write under a name that nobody else uses.

        The reference comes with the store commands, if any, that have yet to be sent: they ride in
        front of the call that announces the blob.
        """

    def get(self, references: Sequence[bytes]) -> list[Any]:
        """The blobs' bytes, all fetched together, each as a writable buffer of its own.

        One that is not there is ``BlobLost``, whatever the place says of it.
        """

    def delete(self, references: Sequence[bytes]) -> None:
        """Forget blobs; unknown ones are no error, since deletes get repeated."""
