"""Wrapped: a place around another one, whose references say more than the inner place's do."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

from dask_serverless.blobs.base import Place


class Wrapped(Place):
    def __init__(self, inner: Place) -> None:
        self.inner = inner
        self.knows_runs = inner.knows_runs  # type: ignore[misc]

    @abstractmethod
    def bare(self, reference: bytes) -> bytes:
        """The inner place's reference."""

    def bare_ones(self, references: Sequence[bytes]) -> list[bytes]:
        return [self.bare(reference) for reference in references]

    def delete(self, references: Sequence[bytes]) -> None:
        self.inner.delete(self.bare_ones(references))

    def keep(self, references: Sequence[bytes]) -> None:
        self.inner.keep(self.bare_ones(references))

    def forget(self, name: str) -> None:
        self.inner.forget(name)

    def clear(self, run: str) -> None:
        self.inner.clear(run)
