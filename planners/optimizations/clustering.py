"""clustering: at a fan-out keep what is dearer to hand over; at a fan-in look before storing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from planners.optimizations.annotation import Annotation


@dataclass(frozen=True)
class FanOutCluster(Annotation):
    """The container of ``bundle`` itself runs ``children`` one after another."""

    kind: ClassVar[str] = "fan_out_cluster"
    bundle: int
    children: tuple[int, ...]
    child_seconds: tuple[float, ...]


@dataclass(frozen=True)
class FanInCheck(Annotation):
    """Once ``bundle`` has run, if only it is missing at ``child``, it goes on without storing."""

    kind: ClassVar[str] = "fan_in_check"
    bundle: int
    child: int
