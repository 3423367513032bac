"""What is kept of one function, or of one way in which the platform takes time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgpack

from planners.errors import PredictionError
from planners.numbers.sketch import Sketch

FUNCTION, TRANSFER, START, PUBLISH = "function", "transfer", "start", "publish"
BUNDLE, OUTCOME = "bundle", "outcome"
PICKLED, UNPICKLED = "pickled", "unpickled"  # a function's outputs
OF_FUNCTIONS = (FUNCTION, PICKLED, UNPICKLED)
PAID, PROCESSOR = "paid", "processor"


@dataclass(frozen=True)
class Entry:
    """Exact totals, and a sketch of the samples."""

    calls: int
    seconds: float  # of all calls together
    seen: float  # when the last of them was recorded, by that client's clock
    sketch: Sketch

    def merge(self, other: Entry) -> Entry:
        return Entry(
            self.calls + other.calls,
            self.seconds + other.seconds,
            max(self.seen, other.seen),
            self.sketch.merge(other.sketch),
        )

    def pack(self) -> bytes:
        return bytes(msgpack.packb((self.calls, self.seconds, self.seen, self.sketch.to_bytes())))

    @staticmethod
    def unpack(data: bytes) -> Entry:
        """Raises ValueError for whatever is no entry of this version."""
        try:
            calls, seconds, seen, sketch = msgpack.unpackb(data)
            return Entry(int(calls), float(seconds), float(seen), Sketch.from_bytes(sketch))
        except (ValueError, TypeError, PredictionError, msgpack.UnpackException) as error:
            raise ValueError(f"no entry: {error}") from None


Entries = dict[str, Entry]


def key_of(kind: str, name: str) -> str:
    """The name under which an entry is kept."""
    return f"{kind}:{name}"


def size_name(memory_mb: float) -> str:
    """Of a container, as entries are named."""
    return f"{memory_mb:.0f} MB" if memory_mb else "no limit"


def size_of(name: str) -> int:
    """The size that a name begins with; 0 for none."""
    number = name.partition(" ")[0]
    return int(number) if number.isdigit() else 0


def kind_and_name(key: str) -> tuple[str, str]:
    kind, _, name = key.partition(":")
    return kind, name


def merged(entries: Entries, additions: Entries) -> Entries:
    """The additions, each with what was there before."""
    return {
        key: entries[key].merge(addition) if key in entries else addition
        for key, addition in additions.items()
    }


def unpacked(packed: dict[Any, bytes]) -> tuple[Entries, int]:
    """What can be read of the packed entries, and how many cannot."""
    found: Entries = {}
    for key, data in packed.items():
        try:
            found[key.decode() if isinstance(key, bytes) else key] = Entry.unpack(data)
        except ValueError:
            continue
    return found, len(packed) - len(found)
