"""What tasks of a run print, in the store: one bounded stream, there while the run is.

ds:{run}:said  stream  'b': it begins; 's': lines of containers, in batches (``worker/said.py``)
"""

from __future__ import annotations

from dask_serverless.blobs.base import LIVE_SECONDS, Command

MOST_BATCHES = 2000  # the client reads on while tasks run; what it missed, numbers of lines tell
BATCH = b"s"
FROM_THE_START = "0-0"


def said_key(run: str) -> str:
    return f"ds:{{{run}}}:said"


def begun(run: str) -> list[Command]:
    """With the run: where nobody listens, or nobody does any more, nothing is added."""
    return [("XADD", said_key(run), "*", "b", ""), ("EXPIRE", said_key(run), LIVE_SECONDS)]


def added(run: str, batch: bytes) -> Command:
    limit = ("NOMKSTREAM", "MAXLEN", "~", MOST_BATCHES)
    return ("XADD", said_key(run), *limit, "*", BATCH, batch)
