"""The client's own modules, in the store: how they reach containers that share no files with it.

They lie there under a key made from their content, which invitations name: a container that has
this edition already fetches nothing, and an edited module is another edition.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import msgpack

from dask_serverless.backends.own_modules import OWN
from dask_serverless.blobs.base import LIVE_SECONDS
from dask_serverless.signing.secret import Secret
from dask_serverless.signing.signatures import MODULES
from dask_serverless.store.link import Link

KEY = "ds:own:"


class OwnInStore:
    """On the client's side: one for a backend, whose name is in the keys."""

    def __init__(self, name: str, secret: Secret | None = None) -> None:
        self.name = name
        self.secret = secret
        self.edition = -1
        self.key = ""
        self.packed = b""
        self.keys: set[str] = set()  # all that were put

    def put(self, link: Link) -> str:
        """The key of what the client has loaded now, which is in the store; "" for nothing."""
        if OWN.since(self.edition).edition != self.edition:
            changes = OWN.since(0)
            self.edition = changes.edition
            told = {name: source.to_json() for name, source in changes.sources.items()}
            self.packed = bytes(msgpack.packb(told, unicode_errors="surrogateescape"))
            digest = hashlib.sha256(self.packed).hexdigest()[:32]
            self.key = f"{KEY}{link.address.tenant}{self.name}:{digest}" if told else ""
            if self.secret is not None:
                self.packed = self.secret.signatures().signed(MODULES, self.key, self.packed)
        if self.key and not link.call(("EXPIRE", self.key, LIVE_SECONDS))[0]:
            self.keys.add(self.key)
            link.call(("SET", self.key, self.packed, "EX", LIVE_SECONDS))
        return self.key

    def remove(self, link: Link) -> None:
        """No run of this backend is under way any more."""
        for key in self.keys:
            link.call(("DEL", key))
        self.keys.clear()


def own_modules_at(
    link: Link, key: str, secret: Secret | None = None
) -> Mapping[str, list[Any]] | None:
    """On a container's side; None where they are gone."""
    packed = link.call(("GET", key))[0]
    if packed is None:
        return None
    if secret is not None:
        packed = secret.signatures().opened(MODULES, key, packed)
    told: Mapping[str, list[Any]] = msgpack.unpackb(packed, unicode_errors="surrogateescape")
    return told
