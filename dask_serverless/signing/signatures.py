"""Signatures: each piece that a run has in the store says what it is, and proves it.

A signed piece is: the data, its subject ("output 12 <claim>"), the subject's length, and
HMAC-SHA256 over version, run, epoch, subject and data. So bytes of another run, or of this one in
another place, are as good as forged. What is signed begins as it did: the store's scripts read there.
"""

from __future__ import annotations

import hmac
import struct
from functools import lru_cache
from hashlib import sha256
from typing import Any

from dask_serverless.errors import NotAuthentic

VERSION = "1"
CODE_BYTES = 32
LENGTH = struct.Struct("<H")
INNER, OUTER = (bytes(byte ^ pad for byte in range(256)) for pad in (0x36, 0x5C))

HEADER, SPEC, OUTPUT, BLOB = "header", "bundle", "output", "blob"
EVENT, FAILURE, MODULES = "event", "failure", "modules"

UNSIGNED = "bears no signature of it"
ALTERED = "was altered, or signed with another key or for another run"


class Signatures:
    """Of one run."""

    def __init__(self, key: bytes, run: str, epoch: str) -> None:
        self.run = run
        inner, self.outer = keyed(key)
        self.inner = inner.copy()
        self.inner.update(b"".join(map(counted, (VERSION, run, epoch))))

    def signed(self, kind: str, name: object, data: bytes, claim: str = "") -> bytes:
        subject = f"{kind} {name} {claim}".encode()
        return b"".join((data, subject, LENGTH.pack(len(subject)), self.code(subject, data)))

    def opened(self, kind: str, name: object, piece: bytes) -> bytes:
        """The data, if it is what it is taken for."""
        subject, data = self.taken_apart((kind,), name, piece)
        if not subject.startswith(f"{kind} {name} ".encode()):
            raise self.refused((kind,), name, signed_as(subject))
        return data

    def opened_any(self, kinds: tuple[str, ...], piece: bytes) -> bytes:
        """The data, where it may be any of a kind: there are no names to go by."""
        subject, data = self.taken_apart(kinds, "", piece)
        if subject.partition(b" ")[0].decode() not in kinds:
            raise self.refused(kinds, "", signed_as(subject))
        return data

    def taken_apart(
        self, kinds: tuple[str, ...], name: object, piece: bytes
    ) -> tuple[bytes, bytes]:
        """Subject and data, whose code is right; what it is taken for is for the error."""
        end = len(piece) - CODE_BYTES - LENGTH.size
        start = end - LENGTH.unpack_from(piece, end)[0] if end >= 0 else -1
        if start < 0:
            raise self.refused(kinds, name, UNSIGNED)
        subject, data = piece[start:end], piece[:start]
        if not hmac.compare_digest(self.code(subject, data), piece[-CODE_BYTES:]):
            raise self.refused(kinds, name, ALTERED)
        return subject, data

    def refused(self, kinds: tuple[str, ...], name: object, problem: str) -> NotAuthentic:
        what = f"a piece ({' or '.join(kinds)})" if name == "" else f"{kinds[0]} {name}"
        return NotAuthentic(what, self.run, problem)

    def code(self, subject: bytes, *parts: Any) -> bytes:
        """Of the subject and all parts, one behind the other; nothing is copied."""
        inner, outer = self.inner.copy(), self.outer.copy()
        inner.update(LENGTH.pack(len(subject)) + subject)
        for part in parts:
            inner.update(part)
        outer.update(inner.digest())
        return outer.digest()


@lru_cache(maxsize=64)  # runs of one secret have the same key
def keyed(key: bytes) -> tuple[Any, Any]:
    """HMAC-SHA256 (RFC 2104) up to where the message comes: the inner hash and the outer one.

    A copy of what is begun takes half as long as ``hmac.digest``, which begins with the key.
    """
    block = key.ljust(sha256().block_size, b"\0")  # no key of ours is longer
    return sha256(block.translate(INNER)), sha256(block.translate(OUTER))


def signed_as(subject: bytes) -> str:
    return f"was signed as {subject.decode().rstrip()!r}"


def counted(text: str) -> bytes:
    """With its length in front, so that no two rows of texts look the same."""
    data = text.encode()
    return LENGTH.pack(len(data)) + data
