"""Access: how a party reaches runs over a link: as they are, or with all that it unpickles signed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from dask_serverless.coordination.redis import RedisCoordination

if TYPE_CHECKING:
    from dask_serverless.blobs.blobs import Blobs
    from dask_serverless.blobs.storage import Storage
    from dask_serverless.coordination.base import Coordination
    from dask_serverless.signing.secret import Secret
    from dask_serverless.store.link import Link

# What signs is imported where it is used: a first result on a private store must not wait for it.


@dataclass(frozen=True)
class Access:
    """Client and containers of one store have the same."""

    secret: Secret | None = None  # None: nobody else can write to the store

    def coordination(self, link: Link, run: str, epoch: str) -> Coordination:
        plain = RedisCoordination(link, run, epoch)
        if self.secret is None:
            return plain
        from dask_serverless.coordination.signed import SignedCoordination

        return SignedCoordination(plain, self.secret.signatures(run, epoch))

    def blobs(self, link: Link, run: str, epoch: str, storage: Storage) -> Blobs:
        if self.secret is None:
            return storage.open(link)
        from dask_serverless.blobs.signed import Signed

        signatures = self.secret.signatures(run, epoch)
        return storage.open(link, partial(Signed, signatures=signatures))


PLAIN = Access()


def access_with(secret: str) -> Access:
    """As a container was told; "" where nothing is signed."""
    if not secret:
        return PLAIN
    from dask_serverless.signing.secret import Secret

    return Access(Secret(secret))
