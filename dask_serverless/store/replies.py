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
from dask_serverless.errors.store import FORBIDS
from dask_serverless.store.address import Address
from dask_serverless.store.resp import Command, encoded

#: The server says "not now": it loads its data, runs a long script, or a failover is under way.
TRANSIENT = frozenset(
    (
        "LOADING", "BUSY", "MASTERDOWN", "TRYAGAIN", "CLUSTERDOWN", "READONLY", "NOREPLICAS",
        "UNBLOCKED",
    )
)  # fmt: skip
DENIALS = frozenset(("NOAUTH", "WRONGPASS"))
#: What users of docs/security.md may be without: how keys and channels begin, and the rights for these.
WATCHED = "~ds:watched ~ds:{ds:watched}:* +memory|usage +pubsub|numsub +rename"
EXTRA_RIGHTS = {
    b"ds:history:": "~ds:history:*",
    b"ds:watching:": "&ds:watching:* +subscribe +ttl",
    b"ds:watched": WATCHED,
    b"ds:{ds:watched}": WATCHED,
}
READING_HISTORY = "%R~ds:history:* +hmget +zrange +zrangebyscore"


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
    if code(reply) in DENIALS or any(words in message for words in FORBIDS):
        return StoreDenied(address.shown, message, rights_for(command, message))
    return StoreCommandFailed(address.shown, name_of(command), message)


def rights_for(command: Command, message: str) -> str:
    """What its user lacks, where that is told by what the command is about; "": by the server alone."""
    for argument in command[1:]:
        for beginning, rights in EXTRA_RIGHTS.items():
            if bytes(encoded(argument)[: len(beginning)]) == beginning:
                reader = b"history" in beginning and "permissions to run" in message
                return f"`{READING_HISTORY if reader else rights}`"
    return ""


def name_of(command: Command) -> str:
    return bytes(encoded(command[0])).decode()
