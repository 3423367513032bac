"""Kept: what watched runs leave in a store is bounded by bytes, for all of its clients together.

A shared store is not there to be looked at: without a bound, whoever computes small graphs with
long keys all day, and looks at them, would fill it before the first of them goes by itself.
"""

from __future__ import annotations

from functools import cache

from dask_serverless.blobs.base import Command
from dask_serverless.coordination import watched
from dask_serverless.store.link import Link
from dask_serverless.store.script import Script, script_of

MOST_BYTES = 64 << 20  # of all runs that can be looked at
MOST_PART = 16  # of a store with a limit of its own: one part in so many, if that is less
# One hash slot, that of the list of runs.
KEYS = (watched.INDEX, *(f"ds:{{{watched.INDEX}}}:{name}" for name in ("order", "bytes")))


@cache
def script() -> Script:
    return script_of("dask_serverless.client", "kept")


def keep(link: Link, run: str, nbytes: int, seconds: int, most_bytes: int = MOST_BYTES) -> None:
    """A run has left so much so far. The oldest ones go where that is too much with theirs."""
    told = (run, nbytes, seconds, most_bytes, watched.INDEX_SECONDS, MOST_PART)
    (gone,) = link.call(link.script(script(), KEYS, told))
    if gone:
        link.call(*[("UNLINK", *watched.keys(name.decode())) for name in gone])


def measured(run: str) -> list[Command]:
    """What the store needs for a run that can be looked at: so many bytes, or nothing for no key."""
    return [("MEMORY", "USAGE", key) for key in watched.keys(run)]
