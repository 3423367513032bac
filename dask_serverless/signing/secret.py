"""The secret that a client shares with its containers, and the keys that are made from it."""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass, field
from functools import lru_cache

from dask_serverless.signing.signatures import Signatures

SALT = b"dask-serverless"
# Purposes: a key for one is of no use for another.
STORE, INVITATIONS, SEALS = "store", "invitations", "seals"


@dataclass(frozen=True)
class Secret:
    """Never in the store: it reaches containers with their start, or with their configuration."""

    text: str = field(repr=False)

    @staticmethod
    def drawn() -> Secret:
        return Secret(secrets.token_hex(32))

    def key(self, purpose: str) -> bytes:
        return derived(self.text, purpose)

    def signatures(self, run: str = "", epoch: str = "") -> Signatures:
        """For what one run has in the store; without a run, for what several may share."""
        return begun(self.text, run, epoch)


@lru_cache(maxsize=8)  # coordination and blobs of a run have the same ones
def begun(text: str, run: str, epoch: str) -> Signatures:
    return Signatures(derived(text, STORE), run, epoch)


@lru_cache(maxsize=64)  # each run asks for the same ones
def derived(text: str, purpose: str) -> bytes:
    """HKDF (RFC 5869) over SHA-256, with one block of output."""
    extracted = hmac.digest(SALT, text.encode(), "sha256")
    return hmac.digest(extracted, purpose.encode() + b"\x01", "sha256")
