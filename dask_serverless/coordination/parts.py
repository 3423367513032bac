"""Parts of outputs that are being stored, told one by one to whoever waits for these outputs.

ds:{run}:parts  stream  'b': it begins; 'p': a part is stored (task, its key, its bytes; msgpack)

An entry follows its part through the same connection, so it is there no sooner than the part. It is
a hint and no more: what has been fetched by it counts only once an output is announced that has it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgpack

from dask_serverless.blobs.base import LIVE_SECONDS, Command

MOST_PARTS = 10_000  # told of in one run; whoever misses one fetches it when it is announced
FROM_THE_START = "0-0"
BEGUN, STORED = b"b", b"p"


class Part(NamedTuple):
    task: int
    key: str
    nbytes: int


class Told(NamedTuple):
    """Parts, and where to go on reading."""

    last: str
    parts: Sequence[Part] = ()


def parts_key(run: str) -> str:
    return f"ds:{{{run}}}:parts"


def begun(run: str) -> list[Command]:
    """With the run: once its keys are gone, nothing is added."""
    return [("XADD", parts_key(run), "*", BEGUN, ""), ("EXPIRE", parts_key(run), LIVE_SECONDS)]


def in_turn(run: str, task: int, commands: Iterable[Command]) -> list[Command]:
    """The commands that store an output's parts, each with one behind it that tells of it."""
    found: list[Command] = []
    for command in commands:
        _, key, data, *_ = command
        told = msgpack.packb([task, key, memoryview(data).nbytes])
        limit = ("NOMKSTREAM", "MAXLEN", "~", MOST_PARTS)
        found += (command, ("XADD", parts_key(run), *limit, "*", STORED, told))
    return found


def stores(command: Command) -> bool:
    """Whether it writes something of a blob, and does not only tell of it."""
    return bool(command[0] == "SET")


def told_by(run: str, commands: Iterable[Command]) -> list[Part]:
    """What commands tell of, for the twin."""
    key = parts_key(run)
    told = [c[-1] for c in commands if c[0] == "XADD" and c[1] == key and c[-2] == STORED]
    return [part for each in told for part in parts_in(each)]


def parts_in(told: Any) -> list[Part]:
    """Nothing, where somebody else has written into the run's stream."""
    try:
        task, key, nbytes = msgpack.unpackb(told)
    except Exception:  # whatever msgpack has to say
        return []
    right = isinstance(task, int) and isinstance(key, str) and isinstance(nbytes, int)
    return [Part(task, key, nbytes)] if right and nbytes > 0 else []
