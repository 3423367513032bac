"""Removes all that a run left in the store and among blobs."""

from __future__ import annotations

from collections.abc import Sequence

from dask_serverless.blobs.blobs import Blobs
from dask_serverless.blobs.places import open_places
from dask_serverless.coordination.redis import RedisCoordination
from dask_serverless.store.link import Link
from dask_serverless.worker.header import Header
from dask_serverless.worker.invitation import Invitation


def clean(coordination: RedisCoordination, blobs: Blobs) -> Sequence[str]:
    """The claims under which blobs may still be written."""
    if blobs.cleared_by_run:
        coordination.forget()
        blobs.clear(coordination.run)
        return ()
    remains = coordination.close()
    blobs.delete(remains.references)
    blobs.forget(coordination.run, remains.claims)
    blobs.clear(coordination.run)
    return remains.claims


def clean_after(invitation: Invitation, link: Link) -> None:
    """The same, by somebody who knows of the run only what its invitations said."""
    coordination = RedisCoordination(link, invitation.run, invitation.epoch)
    packed = link.call(("GET", coordination.prefix + "header"))[0]
    places = Header.unpack(packed).places if packed else [("redis",)]
    clean(coordination, Blobs(open_places(places, link)))
