"""An invocation's payload: a sealed invitation of ids; all else is in the store, which functions know.

It could hold the first bundle, too. But whoever comes has to claim one, and the claim's answer brings
spec and small inputs along, at no further round trip.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dask_serverless.backends.sealed import sealed, unsealed
from dask_serverless.errors import PlatformUnavailable
from dask_serverless.signing.secret import Secret
from dask_serverless.worker.invitation import Invitation

MOST_BYTES = 256 << 10  # of an asynchronous invocation: AWS's limit until it became 1 MB in 2025
INVITATION, CHECK = "invitation", "check"


def packed(invitation: Invitation, secret: Secret, **more: str) -> bytes:
    told = {INVITATION: sealed(replace(invitation, store=""), secret), **more}
    payload = json.dumps(told).encode()
    if len(payload) > MOST_BYTES:
        problem = f"an invitation of {len(payload)} bytes is more than AWS takes ({MOST_BYTES})"
        raise PlatformUnavailable("lambda", problem)
    return payload


def unpacked(event: Any, secret: Secret, store: str) -> Invitation:
    """NotAuthentic for anything else: whoever may invoke the function can send anything."""
    told = event.get(INVITATION) if isinstance(event, Mapping) else None
    return replace(unsealed(told, secret), store=store)


def packed_check(key: str, secret: Secret) -> bytes:
    """Asks a container what it can reach; the client has just put this key into the store."""
    return packed(Invitation("", "", ""), secret, **{CHECK: key})


def check_in(event: Any) -> str:
    """The key that a container is to look for; "" where it is to work."""
    key = event.get(CHECK, "") if isinstance(event, Mapping) else ""
    return key if isinstance(key, str) else ""
