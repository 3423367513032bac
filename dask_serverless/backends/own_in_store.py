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
        self.packed: dict[str, bytes] = {}  # what runs under way have there, by key

    def put(self, link: Link) -> str:
        """The key of what the client has loaded now, which is in the store; "" for nothing."""
        if OWN.since(self.edition).edition != self.edition:
            changes = OWN.since(0)
            self.edition = changes.edition
            told = {name: source.to_json() for name, source in changes.sources.items()}
            packed = bytes(msgpack.packb(told, unicode_errors="surrogateescape"))
            digest = hashlib.sha256(packed).hexdigest()[:32]
            self.key = f"{KEY}{link.address.tenant}{self.name}:{digest}" if told else ""
            if self.secret is not None:
                packed = self.secret.signatures().signed(MODULES, self.key, packed)
            if self.key:
                self.packed[self.key] = packed
        if self.key:
            self.renew(link, self.key)
        return self.key

    def keep(self, link: Link) -> None:
        """Runs may take longer than what is put, and containers come at any time."""
        for key in list(self.packed):
            self.renew(link, key)

    def renew(self, link: Link, key: str) -> None:
        if not link.call(("EXPIRE", key, LIVE_SECONDS))[0]:
            link.call(("SET", key, self.packed[key], "EX", LIVE_SECONDS))

    def remove(self, link: Link) -> None:
        """No run of this backend is under way any more."""
        for key in self.packed:
            link.call(("DEL", key))


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
