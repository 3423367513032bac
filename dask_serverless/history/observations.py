"""What one run teaches: plain values that are cheap to make, and that merge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

UPLOAD, DOWNLOAD = "upload", "download"


class Sample(NamedTuple):
    """One call of a function, looked at closely; in the order of a sketch's columns."""

    memory_mb: float  # of its container; 0: the backend's default, or no limit
    input_bytes: float
    seconds: float  # the function's own
    output_bytes: float
    peak_bytes: float


class Calls(NamedTuple):
    """All calls of one function, of which only some were looked at closely."""

    number: int
    seconds: float  # of all of them together
    samples: Sequence[Sample] = ()


class Transfer(NamedTuple):
    """Bytes that went to a blob's place, or came from there."""

    place: str  # its kind: "inline", "redis", "shared", "url", …
    direction: str  # UPLOAD or DOWNLOAD
    bytes: float
    seconds: float


class Packing(NamedTuple):
    """A function's output that was pickled, or unpickled where it was needed."""

    function: str
    direction: str  # UPLOAD or DOWNLOAD
    bytes: float
    seconds: float


class Start(NamedTuple):
    """A container that was asked for, until its first instruction."""

    cold: bool
    seconds: float
    memory_mb: float = 0.0


class Overhead(NamedTuple):
    """What a container took for one bundle, beside its tasks, transfers and the publish."""

    tasks: int
    seconds: float


class Use(NamedTuple):
    """What one container took of a run's time and of its machine."""

    memory_mb: float  # 0: without a limit that is known
    cold: bool
    seconds: float  # paid for
    cpu_seconds: float
    peak_bytes: float


class Followed(NamedTuple):
    """A plan that was carried out to its end: what the cost model had said, and what came."""

    graph: str  # the signature of the graph
    way: str  # in which the plan was made
    modelled_seconds: float
    seconds: float
    modelled_gb_seconds: float
    gb_seconds: float


@dataclass(frozen=True)
class Observations:
    """What containers and client measured; wrong numbers in here are dropped when it is recorded."""

    functions: Mapping[str, Calls] = field(default_factory=dict)  # by identity
    transfers: Sequence[Transfer] = ()
    starts: Sequence[Start] = ()
    publishes: Sequence[float] = ()  # seconds of a round trip each
    overheads: Sequence[Overhead] = ()
    followed: Sequence[Followed] = ()
    uses: Sequence[Use] = ()
    packings: Sequence[Packing] = ()

    def __bool__(self) -> bool:
        platform = self.transfers or self.starts or self.publishes or self.overheads
        return bool(self.functions or platform or self.followed or self.uses or self.packings)

    def merge(self, other: Observations) -> Observations:
        functions = dict(self.functions)
        for name, calls in other.functions.items():
            functions[name] = together(functions[name], calls) if name in functions else calls
        return Observations(
            functions,
            (*self.transfers, *other.transfers),
            (*self.starts, *other.starts),
            (*self.publishes, *other.publishes),
            (*self.overheads, *other.overheads),
            (*self.followed, *other.followed),
            (*self.uses, *other.uses),
            (*self.packings, *other.packings),
        )


def together(one: Calls, other: Calls) -> Calls:
    samples = (*one.samples, *other.samples)
    return Calls(one.number + other.number, one.seconds + other.seconds, samples)
