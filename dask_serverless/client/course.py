"""Course: what each bundle of a run took, as containers told, in one flat array."""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Any

from dask_serverless.coordination.base import Event
from dask_serverless.worker.told import Finished

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

ROW = Struct("=iiddddq")
FIELDS = {
    "bundle": "i4",
    "container": "i4",
    "at": "f8",  # when it was announced, in seconds by the store's clock
    "fetching": "f8",  # seconds, like all that follow
    "running": "f8",
    "storing": "f8",
    "kept": "i8",  # bytes that were not stored, since the next bundle took them from memory
}


class Course:
    """48 bytes a bundle, in the order in which they finished: there may be a hundred thousand."""

    def __init__(self) -> None:
        self.packed = bytearray()
        self.containers: dict[str, int] = {}  # name → number
        self.heard: dict[str, float] = {}  # name → when it told of something last (store's clock)

    def bundle(self, told: Finished, event: Event) -> None:
        number = self.containers.setdefault(told.container, len(self.containers))
        self.heard[told.container] = event.at
        self.packed += ROW.pack(
            told.bundle,
            number,
            event.at,
            told.fetching,
            told.running,
            told.storing,
            told.kept_bytes,
        )

    def name_of(self, number: int) -> str:
        """Of a container; empty if there is none of this number."""
        return next((name for name, each in self.containers.items() if each == number), "")

    def __len__(self) -> int:
        return len(self.packed) // ROW.size

    @property
    def rows(self) -> npt.NDArray[np.void]:
        import numpy as np

        kind: Any = list(FIELDS.items())
        return np.frombuffer(bytes(self.packed), dtype=kind)
