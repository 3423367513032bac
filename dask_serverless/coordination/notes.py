"""Notes: what scripts tell of plans and containers by themselves; no script signs what it tells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgpack


def noted(payload: bytes, types: Sequence[type], what: str) -> list[Any]:
    """The values of such a note; a ValueError for whatever is none."""
    values = msgpack.unpackb(payload)
    if not isinstance(values, list) or [type(each) for each in values] != list(types):
        raise ValueError(f"{payload[:100]!r} tells of no {what}")
    return values
