"""An invocation's payload: which run to work on, and where."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Invitation:
    """Small enough for any platform's invocation; everything else is in the store."""

    run: str
    epoch: str
    store: str  # URL
    early: bool = False  # the run is not in the store yet: wait for it
    slot: int | None = None
    container: str = ""  # whom to prefer, if it is idle

    def to(self, whom: str) -> Invitation:
        """The same for "" (any container) or for "slot container", as the store words it."""
        if not whom:
            return replace(self, early=False, slot=None, container="")
        slot, _, container = whom.partition(" ")
        return replace(self, early=False, slot=int(slot), container=container)

    def to_json(self) -> dict[str, Any]:
        return dict(vars(self))
