"""Removes all that a run left in the store and among blobs."""

from __future__ import annotations

from collections.abc import Sequence

from dask_serverless.blobs.blobs import Blobs
from dask_serverless.blobs.storage import Storage
from dask_serverless.coordination.base import Coordination
from dask_serverless.worker.connections import Connections
from dask_serverless.worker.header import Header
from dask_serverless.worker.invitation import Invitation


def clean(coordination: Coordination, blobs: Blobs) -> Sequence[str]:
    """The claims under which blobs may still be written."""
    if blobs.knows_runs:
        coordination.forget()
        blobs.clear(coordination.run)
        return ()
    remains = coordination.close()
    blobs.delete(remains.references)
    blobs.forget(coordination.run, remains.claims)
    blobs.clear(coordination.run)
    return remains.claims


def clean_after(invitation: Invitation, connections: Connections) -> None:
    """The same, by somebody who knows of the run only what its invitations said."""
    coordination = connections.coordination(invitation)
    packed = coordination.header()
    storage = Header.unpack(packed).storage if packed else Storage()
    clean(coordination, connections.blobs(invitation, storage))
