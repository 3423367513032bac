"""Hash slots: which one a command belongs to, and who owns it in a cluster."""

from __future__ import annotations

from binascii import crc_hqx
from typing import Any

from dask_serverless.store.resp import Command, encoded

SLOTS = 16384
KEYLESS = frozenset(
    ("CLIENT", "CLUSTER", "CONFIG", "DBSIZE", "INFO", "PING", "PUBLISH", "SCRIPT", "TIME")
)
SCRIPTED = frozenset(("EVAL", "EVALSHA", "FCALL"))
#: Commands whose keys may lie in any slots, and the command that does the same to one key.
PER_KEY = {"MGET": "GET", "DEL": "DEL", "UNLINK": "UNLINK", "EXISTS": "EXISTS"}

Node = tuple[str, int]


def hash_slot(key: bytes) -> int:
    """The slot of a key: of what stands between its first braces, if anything does."""
    start = key.find(b"{")
    if start >= 0:
        end = key.find(b"}", start + 1)
        if end > start + 1:
            key = key[start + 1 : end]
    return crc_hqx(key, 0) % SLOTS


def command_hash_slot(command: Command) -> int | None:
    """The slot of a command's first key; None for a command that any node may answer."""
    position = _key_position(command)
    return None if position is None else hash_slot(bytes(encoded(command[position])))


def _key_position(command: Command) -> int | None:
    name = _name(command)
    if name in KEYLESS:
        return None
    if name in SCRIPTED:
        return 3 if int(command[2]) else None
    # MEMORY USAGE key; and PUBSUB of a channel, whose subscribers are looked for where its name belongs
    if name in ("MEMORY", "PUBSUB"):
        return 2 if len(command) > 2 else None
    if name == "XREAD":
        return [bytes(encoded(word)).upper() for word in command].index(b"STREAMS") + 1
    return 1 if len(command) > 1 else None


def spread(command: Command) -> list[Command]:
    """The commands, one for each key, that together do what this one does."""
    single = PER_KEY.get(_name(command))
    return [(single, key) for key in command[1:]] if single else [command]


def gathered(command: Command, replies: list[Any]) -> Any:
    """The one reply that `command` would have had, from those to its `spread`."""
    if _name(command) not in PER_KEY:
        return replies[0]
    for reply in replies:
        if isinstance(reply, Exception):
            return reply
    return replies if _name(command) == "MGET" else sum(replies)


def owners(ranges: list[Any], asked: str) -> list[Node | None]:
    """Who owns each slot, from the reply to CLUSTER SLOTS; `asked` is the host that gave it."""
    nodes: list[Node | None] = [None] * SLOTS
    for first, last, (host, port, *_), *_replicas in ranges:
        # A node that does not know its own name leaves it out.
        node = ((host or b"").decode() or asked, int(port))
        nodes[first : last + 1] = [node] * (last + 1 - first)
    return nodes


def _name(command: Command) -> str:
    return bytes(encoded(command[0])).decode().upper()
