"""An invocation's payload: ids only, and no secret; all else is in the store, which functions know.

It could hold the first bundle, too. But whoever comes has to claim one, and the claim's answer brings
spec and small inputs along, at no further round trip.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dask_serverless.errors import PlatformUnavailable
from dask_serverless.worker.invitation import Invitation

MOST_BYTES = 256 << 10  # AWS's limit for asynchronous invocations
INVITATION, CHECK = "invitation", "check"


def packed(invitation: Invitation) -> bytes:
    payload = json.dumps({INVITATION: replace(invitation, store="").to_json()}).encode()
    if len(payload) > MOST_BYTES:
        problem = f"an invitation of {len(payload)} bytes is more than AWS takes ({MOST_BYTES})"
        raise PlatformUnavailable("lambda", problem)
    return payload


def unpacked(event: Any, store: str) -> Invitation:
    """ValueError for anything else: whoever may invoke the function can send anything."""
    told = event.get(INVITATION) if isinstance(event, Mapping) else None
    if not isinstance(told, Mapping):
        raise ValueError("the payload is no invitation of dask-serverless")
    try:
        invitation = Invitation(**{**told, "store": store})
    except TypeError as error:
        raise ValueError(f"the payload is no invitation of this release: {error}") from None
    if not all(isinstance(each, str) for each in (invitation.run, invitation.epoch)):
        raise ValueError("the payload is no invitation: run and epoch are text")
    return invitation


def packed_check(key: str) -> bytes:
    """Asks a container what it can reach; the client has just put this key into the store."""
    return json.dumps({CHECK: key}).encode()


def check_in(event: Any) -> str:
    """The key that a container is to look for; "" in an invitation."""
    key = event.get(CHECK, "") if isinstance(event, Mapping) else ""
    return key if isinstance(key, str) else ""
