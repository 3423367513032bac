"""Signed: any place that others can write to; a blob's bytes are checked before anybody uses them."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from typing import Any

from dask_serverless.blobs.base import Place, Stored
from dask_serverless.blobs.frames import Frames
from dask_serverless.errors import NotAuthentic
from dask_serverless.signing.signatures import ALTERED, BLOB, CODE_BYTES, Signatures


class Signed(Place):
    """A reference is the inner place's, which names run and claim, with the code of both behind it."""

    def __init__(self, inner: Place, signatures: Signatures) -> None:
        self.inner = inner
        self.signatures = signatures
        self.tag = inner.tag  # type: ignore[misc]
        self.knows_runs = inner.knows_runs  # type: ignore[misc]

    def put(self, name: str, frames: Frames) -> Stored:
        stored = self.inner.put(name, frames)
        code = self.code(stored.reference, frames)
        return stored._replace(reference=stored.reference + code)

    def get(self, references: Sequence[bytes]) -> list[Any]:
        found = self.inner.get(bare(references))
        for reference, data in zip(references, found, strict=True):
            bare_one = reference[:-CODE_BYTES]
            if not hmac.compare_digest(self.code(bare_one, [data]), reference[-CODE_BYTES:]):
                name = bare_one[1:].decode(errors="replace")
                raise NotAuthentic(f"{BLOB} {name}", self.signatures.run, ALTERED)
        return found

    def code(self, reference: bytes, parts: Sequence[Any]) -> bytes:
        return self.signatures.code_of_parts(f"{BLOB} ".encode() + reference, parts)

    def delete(self, references: Sequence[bytes]) -> None:
        self.inner.delete(bare(references))

    def keep(self, references: Sequence[bytes]) -> None:
        self.inner.keep(bare(references))

    def forget(self, name: str) -> None:
        self.inner.forget(name)

    def clear(self, run: str) -> None:
        self.inner.clear(run)


def bare(references: Sequence[bytes]) -> list[bytes]:
    return [reference[:-CODE_BYTES] for reference in references]
