"""What every place for blobs can do; ``memory.py`` is the twin that tests run beside the real ones."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

if TYPE_CHECKING:
    from dask_serverless.blobs.frames import Frames

Command = tuple[Any, ...]  # one store command, its name first

#: How long what a run has in the store outlives the last look of its client.
LIVE_SECONDS = 600
#: The same in a private store, which ends with its client: there only a machine that sleeps is silent.
PRIVATE_LIVE_SECONDS = 30 * 24 * 3600


class Stored(NamedTuple):
    """A blob that may be announced once its commands, if any, have been carried out."""

    reference: bytes
    commands: list[Command]  # they ride in front of the call that announces the blob
    nbytes: int


class Place(ABC):
    """Somewhere blobs can live. A reference starts with the place's tag, one byte."""

    tag: ClassVar[bytes]
    knows_runs: ClassVar[bool] = False  # whether ``clear`` finds all that a run has left
    own: ClassVar[bool] = False  # whether nobody but this user can write there

    @abstractmethod
    def put(self, name: str, frames: Frames) -> Stored:
        """Write under a name that nobody else uses."""

    @abstractmethod
    def get(self, references: Sequence[bytes]) -> list[Any]:
        """The blobs' bytes, all fetched together, each as a writable buffer of its own.

        One that is not there is ``BlobLost``, whatever the place says of it.
        """

    @abstractmethod
    def delete(self, references: Sequence[bytes]) -> None:
        """Forget blobs; unknown ones are no error, since deletes get repeated."""

    def keep(self, references: Sequence[bytes]) -> None:
        """Somebody still looks after these blobs: they must not go by themselves."""
        return

    def forget(self, name: str) -> None:
        """Remove what one claim wrote: blobs named name-0, name-1, … with no gap."""
        return

    def clear(self, run: str) -> None:
        """Remove all that a run left, also what a container wrote and never announced."""
        return
