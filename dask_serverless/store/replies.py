"""What the server's error replies mean: pass by waiting, or become one of our errors."""

from __future__ import annotations

from hiredis import ReplyError

from dask_serverless.errors import (
    StoreCommandFailed,
    StoreDenied,
    StoreError,
    StoreFull,
    StoreReadOnly,
)
from dask_serverless.store.address import Address
from dask_serverless.store.resp import Command, encoded

#: The server says "not now": it loads its data, runs a long script, or a failover is under way.
TRANSIENT = frozenset(
    (
        "LOADING", "BUSY", "MASTERDOWN", "TRYAGAIN", "CLUSTERDOWN", "READONLY", "NOREPLICAS",
        "UNBLOCKED",
    )
)  # fmt: skip
DENIALS = frozenset(("NOAUTH", "NOPERM", "WRONGPASS"))


def code(reply: ReplyError) -> str:
    """The first word of an error reply."""
    return str(reply).partition(" ")[0]


def failure(address: Address, command: Command, reply: ReplyError) -> StoreError:
    """The error that a final error reply becomes."""
    message = str(reply)
    # Redis before 7 wraps an error inside a script into a longer sentence.
    if "OOM command not allowed" in message:
        return StoreFull(address.shown, message)
    if code(reply) == "READONLY":
        return StoreReadOnly(address.shown)
    if code(reply) in DENIALS:
        return StoreDenied(address.shown, message)
    return StoreCommandFailed(address.shown, name_of(command), message)


def name_of(command: Command) -> str:
    return bytes(encoded(command[0])).decode()
