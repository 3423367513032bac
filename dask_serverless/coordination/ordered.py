"""Ordered: a set that knows its smallest entry, for queues of a run in memory."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heappop, heappush
from typing import Any, Generic, TypeVar

T = TypeVar("T", bound=Any)  # anything that can be compared with its like


class Ordered(Generic[T]):
    """A set beside a heap. What is discarded leaves the heap when it comes to the top."""

    def __init__(self) -> None:
        self.entries: set[T] = set()
        self.heap: list[T] = []

    def add(self, entry: T) -> None:
        if entry not in self.entries:
            self.entries.add(entry)
            heappush(self.heap, entry)

    def discard(self, entry: T) -> None:
        self.entries.discard(entry)

    def smallest(self) -> T | None:
        heap, entries = self.heap, self.entries
        while heap and heap[0] not in entries:
            heappop(heap)
        return heap[0] if heap else None

    def pop(self) -> T:
        """The smallest, which is gone then; there has to be one."""
        entry = self.smallest()
        assert entry is not None
        self.entries.remove(entry)
        heappop(self.heap)
        return entry

    def after(self, entry: T) -> T | None:
        """The smallest one that is larger."""
        return min((each for each in self.entries if each > entry), default=None)

    def __contains__(self, entry: T) -> bool:
        return entry in self.entries

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[T]:
        return iter(self.entries)
