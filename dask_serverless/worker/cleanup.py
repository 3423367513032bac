"""Removes all that a run left in the store and among blobs, for a client that cannot any more."""

from __future__ import annotations

from contextlib import suppress
from functools import partial

from dask_serverless.blobs.blobs import all_of
from dask_serverless.blobs.storage import Storage
from dask_serverless.errors import NotAuthentic
from dask_serverless.worker.connections import Connections
from dask_serverless.worker.header import Header
from dask_serverless.worker.invitation import Invitation


def clean_after(invitation: Invitation, connections: Connections) -> None:
    """Whoever cleans up knows of the run only what its invitations said."""
    coordination = connections.coordination(invitation)
    storage = Storage()
    with suppress(NotAuthentic):  # then at least what the store has goes
        if packed := coordination.header():
            storage = Header.unpack(packed).storage
    remains = coordination.close()
    blobs = connections.blobs(invitation, storage)
    all_of(
        [
            partial(blobs.delete, remains.references),
            partial(blobs.forget, invitation.run, remains.claims),
            partial(blobs.clear, invitation.run),
        ]
    )
