"""Signed: any place that others can write to; a blob's bytes are checked before anybody uses them."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from typing import Any

from dask_serverless.blobs.base import Place, Stored
from dask_serverless.blobs.frames import Frames
from dask_serverless.blobs.wrapped import Wrapped
from dask_serverless.errors import NotAuthentic
from dask_serverless.signing.signatures import ALTERED, BLOB, CODE_BYTES, Signatures


class Signed(Wrapped):
    """A reference is the inner place's, which names run and claim, with the code of both behind it."""

    def __init__(self, inner: Place, signatures: Signatures) -> None:
        super().__init__(inner)
        self.signatures = signatures
        self.tag = inner.tag  # type: ignore[misc]

    def put(self, name: str, frames: Frames) -> Stored:
        stored = self.inner.put(name, frames)
        code = self.code(stored.reference, *frames)
        return stored._replace(reference=stored.reference + code)

    def get(self, references: Sequence[bytes]) -> list[Any]:
        found = self.inner.get(self.bare_ones(references))
        for reference, data in zip(references, found, strict=True):
            bare_one = self.bare(reference)
            if not hmac.compare_digest(self.code(bare_one, data), reference[-CODE_BYTES:]):
                name = bare_one[1:].decode(errors="replace")
                raise NotAuthentic(f"{BLOB} {name}", self.signatures.run, ALTERED)
        return found

    def code(self, reference: bytes, *parts: Any) -> bytes:
        return self.signatures.code(f"{BLOB} ".encode() + reference, *parts)

    def bare(self, reference: bytes) -> bytes:
        return reference[:-CODE_BYTES]
