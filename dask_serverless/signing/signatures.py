"""Signatures: each piece that a run has in the store says what it is, and proves it.

A signed piece is: the data, its subject ("output 12 <claim>"), the subject's length, and
HMAC-SHA256 over version, run, epoch, subject and data. So bytes of another run, or of this one in
another place, are as good as forged. What is signed begins as it did: the store's scripts read there.
"""

from __future__ import annotations

import hmac
import struct
from collections.abc import Iterable
from typing import Any

from dask_serverless.errors import NotAuthentic

VERSION = "1"
CODE_BYTES = 32
LENGTH = struct.Struct("<H")

HEADER, SPEC, OUTPUT, BLOB = "header", "bundle", "output", "blob"
EVENT, FAILURE, MODULES = "event", "failure", "modules"

UNSIGNED = "bears no signature of it"
ALTERED = "was altered, or signed with another key or for another run"


class Signatures:
    """Of one run."""

    def __init__(self, key: bytes, run: str, epoch: str) -> None:
        self.key = key
        self.run = run
        self.head = b"".join(map(counted, (VERSION, run, epoch)))

    def signed(self, kind: str, name: object, data: bytes, claim: str = "") -> bytes:
        subject = f"{kind} {name} {claim}".encode()
        code = self.code(subject, data)
        return b"".join((data, subject, LENGTH.pack(len(subject)), code))

    def opened(self, kind: str, name: object, piece: bytes) -> bytes:
        """The data, if it is what it is taken for."""
        subject, data = self.taken_apart(f"{kind} {name}", piece)
        if not subject.startswith(f"{kind} {name} "):
            raise NotAuthentic(f"{kind} {name}", self.run, f"was signed as {subject.rstrip()!r}")
        return data

    def opened_any(self, kinds: tuple[str, ...], piece: bytes) -> bytes:
        """The data, where it may be any of a kind: there are no names to go by."""
        what = f"a piece ({' or '.join(kinds)})"
        subject, data = self.taken_apart(what, piece)
        if not subject.startswith(tuple(f"{kind} " for kind in kinds)):
            raise NotAuthentic(what, self.run, f"was signed as {subject.rstrip()!r}")
        return data

    def taken_apart(self, what: str, piece: bytes) -> tuple[str, bytes]:
        """Subject and data, whose code is right; ``what`` it is taken for is for the error."""
        end = len(piece) - CODE_BYTES - LENGTH.size
        start = end - LENGTH.unpack_from(piece, end)[0] if end >= 0 else -1
        if start < 0:
            raise NotAuthentic(what, self.run, UNSIGNED)
        subject, data = piece[start:end], piece[:start]
        if not hmac.compare_digest(self.code(subject, data), piece[-CODE_BYTES:]):
            raise NotAuthentic(what, self.run, ALTERED)
        return subject.decode(), data

    def code(self, subject: bytes, data: bytes) -> bytes:
        message = b"".join((self.head, LENGTH.pack(len(subject)), subject, data))
        return hmac.digest(self.key, message, "sha256")

    def code_of_parts(self, subject: bytes, parts: Iterable[Any]) -> bytes:
        """The same, of what had better not be copied."""
        code = hmac.new(self.key, self.head + LENGTH.pack(len(subject)) + subject, "sha256")
        for part in parts:
            code.update(part)
        return code.digest()


def counted(text: str) -> bytes:
    """With its length in front, so that no two rows of texts look the same."""
    data = text.encode()
    return LENGTH.pack(len(data)) + data
