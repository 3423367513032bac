"""What a watched run leaves for whoever looks: its keys, and the commands that write them.

Keys, all with an expiry, which outlive the run for some time so that it can be looked at again:

  ds:{run}:structure  string  tasks, edges, bundles and names (``client/structure.py``)
  ds:{run}:watched    stream  'b': a container's batch, 's' and 'o': the run begins and is over
  ds:{run}:lines      stream  what tasks printed, where the client listened: ``said.py``'s, renamed
  ds:watched          stream  the runs there are, the latest last: 'r' (run, when, who), 'o' (how it
                              ended); 'g': a run that went before its time, since all of them had
                              too many bytes
  ds:{ds:watched}:…   order, bytes: when they go, and what they take (``client/lua/kept.lua``)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgpack

from dask_serverless.blobs.base import Command
from dask_serverless.coordination.said import said_key

INDEX = "ds:watched"
MOST_RUNS = 10_000  # in the list, with an entry for its beginning and one for its end
MOST_ENTRIES = 50_000  # of one run's stream; the oldest go first
INDEX_SECONDS = 7 * 24 * 3600

BATCH, BEGUN, OVER, GONE, RUN = "b", "s", "o", "g", "r"


def structure_key(run: str) -> str:
    return f"ds:{{{run}}}:structure"


def watched_key(run: str) -> str:
    return f"ds:{{{run}}}:watched"


def lines_key(run: str) -> str:
    return f"ds:{{{run}}}:lines"


def working_key(run: str) -> str:
    """Of the coordination: container → the bundle it has just now."""
    return f"ds:{{{run}}}:working"


def losses_key(run: str) -> str:
    """Of the coordination: bundle → how many containers were lost with it, and which."""
    return f"ds:{{{run}}}:losses"


class Loss(NamedTuple):
    """A container was lost with a bundle."""

    container: str  # empty: unknown which
    why: str
    at_ms: int  # since the epoch, by the store's clock
    since_ms: int = 0  # when it was given the bundle; 0: unknown


Losses = Sequence[tuple[int, int, Sequence[Loss]]]
"""(bundle, how many containers were lost with it, the last ones)."""


def losses(reply: list[Any]) -> Losses:
    found = []
    for bundle, packed in zip(reply[::2], reply[1::2], strict=True):
        if bundle:  # the entry that keeps the key has no name
            tries, story = msgpack.unpackb(packed, strict_map_key=False)
            found.append((int(bundle), int(tries), [Loss(*each) for each in story]))
    return found


def added(run: str, what: str, told: bytes) -> Command:
    """Where the stream is gone, or was never begun, nothing is added: it would have no expiry."""
    limit = ("NOMKSTREAM", "MAXLEN", "~", MOST_ENTRIES)
    return ("XADD", watched_key(run), *limit, "*", what, told)


def begun(run: str, seconds: int) -> list[Command]:
    """Before anything else of the run: containers only add to what is there."""
    return [
        ("XADD", watched_key(run), "*", BEGUN, ""),
        ("EXPIRE", watched_key(run), seconds),
    ]


def shaped(run: str, structure: bytes, seconds: int) -> Command:
    return ("SET", structure_key(run), structure, "EX", seconds)


def kept(run: str, seconds: int) -> list[Command]:
    return [("EXPIRE", key, seconds) for key in keys(run)]


def keys(run: str) -> tuple[str, ...]:
    """All that is left of a run."""
    return structure_key(run), watched_key(run), lines_key(run)


def lines_kept(run: str, seconds: int) -> list[Command]:
    """Its lines, before its own keys go. Who reads them reads on: entries keep their ids."""
    return [("RENAME", said_key(run), lines_key(run)), ("EXPIRE", lines_key(run), seconds)]


def listed(what: str, told: bytes) -> list[Command]:
    """That a run is there, or that it is over."""
    return [
        ("XADD", INDEX, "MAXLEN", "~", 2 * MOST_RUNS, "*", what, told),
        ("EXPIRE", INDEX, INDEX_SECONDS),
    ]
