"""Lane: when bytes that are sent now have arrived, given a delay and a rate."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf


@dataclass
class Wire:
    """Bytes go through it one after another, at its rate."""

    bytes_per_second: float = inf
    free_at: float = 0.0

    def through(self, now: float, nbytes: int) -> float:
        """When the last of them has left it."""
        self.free_at = max(self.free_at, now) + nbytes / self.bytes_per_second
        return self.free_at


@dataclass
class Lane:
    """One direction of a connection: a wire of its own, one that it may share, and a distance."""

    own: Wire
    shared: Wire = field(default_factory=Wire)
    delay_seconds: float = 0.0

    def arrival(self, now: float, nbytes: int) -> float:
        left = max(self.own.through(now, nbytes), self.shared.through(now, nbytes))
        return left + self.delay_seconds
