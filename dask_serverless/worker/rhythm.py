"""Rhythm: how often a container tells whoever watches."""

from __future__ import annotations

from typing import Any, NamedTuple

from dask.utils import parse_timedelta

NEVER = float("inf")
PROGRESS_SECONDS = 0.1  # of a bundle that takes long, where its end is waited for


class Rhythm(NamedTuple):
    """As soon as either is reached; infinity means not for that reason."""

    bundles: float  # finished, and not told of yet
    seconds: float


def rhythm_of(value: Any) -> Rhythm:
    """What the setting means: "publish", "end", a number of bundles, or a time."""
    if value == "publish":
        return Rhythm(1, PROGRESS_SECONDS)
    if value == "end":
        return Rhythm(NEVER, NEVER)
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return Rhythm(value, NEVER)
    if isinstance(value, str):
        return Rhythm(NEVER, seconds_of(value))
    raise ValueError(PROBLEM)


PROBLEM = 'must be "publish", "end", a number of bundles, or a time like "200 ms"'


def seconds_of(text: str) -> float:
    try:
        seconds = float(parse_timedelta(text, default=False))
    except (ValueError, TypeError, LookupError):
        seconds = 0.0
    if not 0 < seconds < NEVER:
        raise ValueError(PROBLEM)
    return seconds
