"""Around: a place that does all that another one does; what derives from it does some of it its way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dask_serverless.blobs.base import Place, Stored
from dask_serverless.blobs.frames import Frames


class Around(Place):
    """References are the inner place's own."""

    def __init__(self, inner: Place) -> None:
        self.inner = inner
        self.tag = inner.tag  # type: ignore[misc]
        self.knows_runs = inner.knows_runs  # type: ignore[misc]

    def put(self, name: str, frames: Frames) -> Stored:
        return self.inner.put(name, frames)

    def get(self, references: Sequence[bytes]) -> list[Any]:
        return self.inner.get(references)

    def delete(self, references: Sequence[bytes]) -> None:
        self.inner.delete(references)

    def keep(self, references: Sequence[bytes]) -> None:
        self.inner.keep(references)

    def forget(self, name: str) -> None:
        self.inner.forget(name)

    def clear(self, run: str) -> None:
        self.inner.clear(run)
