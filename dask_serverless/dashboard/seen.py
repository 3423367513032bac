"""What is seen of one run's containers, and of what went otherwise than a bundle's tasks one by one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

NEVER = float("inf")
NOBODY = -1


@dataclass
class ContainerSeries:
    """One container, as far as it told of itself."""

    name: str
    index: int
    cold: bool = False
    asked: float = NEVER
    arrived: float = NEVER
    since: float = NEVER  # when it turned to its first bundle
    last: float = 0.0  # when it finished something
    away: float = 0.0  # in between, with another run or none
    came: float = NEVER  # the last time
    bundles: int = 0
    fetching: float = 0.0
    running: float = 0.0
    storing: float = 0.0
    calls: int = 0
    stored_bytes: int = 0
    peak_bytes: int = 0
    cpu_seconds: float = 0.0  # for this run
    expected: int = 0  # the number of its next sighting
    gone: str = ""  # why it was lost


@dataclass(frozen=True)
class Failed:
    """A task that raised, or what else ended a run."""

    task: int
    bundle: int
    container: str
    at: float
    words: Any  # of ``witness.words_of``


@dataclass(frozen=True)
class Lost:
    """A container, over a bundle."""

    bundle: int
    container: int  # its index; NOBODY: unknown which
    at: float
    why: str


@dataclass(frozen=True)
class TriedAgain:
    """A task raised, and ran again on the same container."""

    task: int
    bundle: int
    container: int  # its index
    at: float
    why: str


@dataclass(frozen=True)
class Part:
    """What one container did of a bundle that was divided while it ran."""

    bundle: int
    container: int  # its index
    claimed: float
    fetched: float
    executed: float
    finished: float


@dataclass(frozen=True)
class Copy:
    """A task that ran once more in another bundle, whose container needed its output."""

    task: int
    bundle: int
    container: int
    begun: float
    ended: float
