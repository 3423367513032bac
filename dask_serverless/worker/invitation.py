"""An invocation's payload: which run to work on, and where."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from dask_serverless.coordination.base import Whom


@dataclass(frozen=True)
class Invitation:
    """Small enough for any platform's invocation; everything else is in the store."""

    run: str
    epoch: str
    store: str = field(repr=False)  # URL, with its password
    early: bool = False  # the run is not in the store yet: wait for it
    slot: int | None = None
    container: str = ""  # whom to prefer, if it is idle
    own: str = ""  # the client's own modules, if they are in the store: under this key
    asked: float = 0.0  # when, by the clock of whoever invites (seconds of the epoch); 0: unknown
    memory_mb: int = 0  # that it must have at least, where there are several sizes
    largest_mb: int = 0  # what the largest of them has
    warm_in: float | None = None  # only be there, idle, in so many seconds; None: work on the run
    charged: float = (
        0.0  # since when its platform charges for this visit, by the container's clock;
    )
    # 0: it does not charge for visits

    def to(self, whom: Whom, asked: float = 0.0) -> Invitation:
        """The same for any container, or for the one that has a slot."""
        return replace(
            self, early=False, slot=whom.slot, container=whom.container, memory_mb=whom.memory_mb,
            asked=asked, warm_in=None, charged=0.0,
        )  # fmt: skip

    def to_be_warm(self, seconds: float, memory_mb: int = 0) -> Invitation:
        """For one more container, which will soon be needed."""
        return replace(
            self, early=False, slot=None, container="", memory_mb=memory_mb, warm_in=seconds,
            charged=0.0,
        )  # fmt: skip

    def to_json(self) -> dict[str, Any]:
        return dict(vars(self))
