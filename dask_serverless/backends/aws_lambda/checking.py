"""What a container of Lambda says of itself when it is asked, and what that means for the client."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dask_serverless.errors import (
    ContainersCutOff,
    PlatformUnavailable,
    ServerlessError,
    SettingsError,
    StoreError,
)
from dask_serverless.store.connect import open_link

KEY = "ds:check:"  # what the client puts into the store, for the container to find
KEY_SECONDS = 600
LOG = "Its log says more: `aws logs tail /aws/lambda/{}`."
AGAIN = "Run `dask serverless deploy lambda` again."


def findings(store: str, key: str, invites: str) -> dict[str, Any]:
    """In the container; ``invites`` is why it may not invoke others."""
    if not store:
        return {"store": "its function has no WORKER_STORE", "invites": invites}
    try:
        with open_link(store) as link:
            return {"found": link.call(("EXISTS", key))[0] == 1, "invites": invites}
    except StoreError as error:
        return {"store": str(error), "invites": invites}


def verdict(name: str, told: Mapping[str, Any]) -> ServerlessError | None:
    """In the client; None if all is well."""
    if "error" in told:
        problem = f"the function {name} fails ({told['error']})"
        return PlatformUnavailable("lambda", problem, LOG.format(name))
    if "secret" in told:
        problem = f"is not the one that the function {name} was deployed with, or a clock is wrong"
        return SettingsError("secret", f"{problem}: {told['secret']} {AGAIN}")
    if "store" in told:
        return ContainersCutOff(f"{name} says: {told['store']}")
    if not told.get("found"):
        problem = f"is not the one that the function {name} was deployed with. {AGAIN}"
        return SettingsError("store", problem)
    if told.get("invites"):
        problem = f"the function {name} may not invoke itself ({told['invites']})"
        return PlatformUnavailable("lambda", problem, AGAIN)
    return None
