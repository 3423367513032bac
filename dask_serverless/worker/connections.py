"""Connections: how a container reaches the runs that it is invited to, over one link a store."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from dask_serverless.blobs.blobs import Blobs
from dask_serverless.blobs.rewriting import rewriting
from dask_serverless.blobs.spares import Spares
from dask_serverless.blobs.storage import Storage
from dask_serverless.coordination.base import Coordination
from dask_serverless.store.link import Link
from dask_serverless.worker.access import PLAIN, Access
from dask_serverless.worker.invitation import Invitation


class Connections(Protocol):
    """What a shell is given; tests hand it one run in memory."""

    def coordination(self, invitation: Invitation) -> Coordination:
        """The run's."""

    def blobs(self, invitation: Invitation, storage: Storage) -> Blobs:
        """The run's blobs."""

    def aside(self) -> Connections:
        """The same again, for another thread, which closes them."""

    def close(self) -> None:
        """Nobody needs them any more."""


class StoreConnections:
    """To real stores."""

    def __init__(
        self,
        open_link: Callable[[str], Link],
        access: Access = PLAIN,
        spares: Spares | None = None,
    ) -> None:
        self.open_link = open_link
        self.access = access
        self.spares = spares  # of a container that somebody cleans up after
        self.links: dict[str, Link] = {}

    def coordination(self, invitation: Invitation) -> Coordination:
        link = self.link(invitation.store)
        return self.access.coordination(link, invitation.run, invitation.epoch)

    def blobs(self, invitation: Invitation, storage: Storage) -> Blobs:
        link = self.link(invitation.store)
        blobs = self.access.blobs(link, invitation.run, invitation.epoch, storage)
        return blobs if self.spares is None else rewriting(blobs, self.spares)

    def link(self, store: str) -> Link:
        if store not in self.links:
            self.links[store] = self.open_link(store)
        return self.links[store]

    def aside(self) -> StoreConnections:
        return StoreConnections(self.open_link, self.access)

    def close(self) -> None:
        while self.links:
            self.links.popitem()[1].close()
