"""What is seen of one run's containers, and of what went otherwise than a bundle's tasks one by one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

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

    def sooner(self, seconds: float) -> None:
        self.asked -= seconds
        self.arrived -= seconds
        self.since -= seconds
        self.came -= seconds
        self.last = max(self.last - seconds, 0.0)


class Timed:
    """Something that happened at times of the run."""

    times: ClassVar[tuple[str, ...]] = ("at",)

    def sooner(self, seconds: float) -> Self:
        """The same, counted from so many seconds later."""
        return replace(self, **{name: getattr(self, name) - seconds for name in self.times})  # type: ignore[type-var]


@dataclass(frozen=True)
class Failed(Timed):
    """A task that raised, or what else ended a run."""

    task: int
    bundle: int
    container: str
    at: float
    words: Any  # of ``witness.words_of``


@dataclass(frozen=True)
class Lost(Timed):
    """A container, over a bundle."""

    times = ("at", "since")
    bundle: int
    container: int  # its index; NOBODY: unknown which
    at: float
    why: str
    since: float = NEVER  # when it was given the bundle; NEVER: unknown


@dataclass(frozen=True)
class TriedAgain(Timed):
    """A task raised, and ran again on the same container."""

    task: int
    bundle: int
    container: int  # its index
    at: float
    why: str


@dataclass(frozen=True)
class Part(Timed):
    """What one container did of a bundle that was divided while it ran."""

    times = ("claimed", "fetched", "executed", "finished")
    bundle: int
    container: int  # its index
    claimed: float
    fetched: float
    executed: float
    finished: float


@dataclass(frozen=True)
class Copy(Timed):
    """A task that ran once more in another bundle, whose container needed its output."""

    times = ("begun", "ended")
    task: int
    bundle: int
    container: int
    begun: float
    ended: float
