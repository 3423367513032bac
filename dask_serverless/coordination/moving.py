"""Moving: bundles that waited too long for the container of their slot, and what is told of each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from heapq import heappop, heappush
from typing import NamedTuple

import msgpack

from dask_serverless.coordination.base import NEVER
from dask_serverless.coordination.notes import noted
from dask_serverless.coordination.ordered import Ordered
from dask_serverless.coordination.sizes import size_of

TYPES = [int, int, int, int, str, str, int]  # of what is noted of a move
Late = tuple[int, int, int]  # when it was due (ms after the submission), slot, bundle


class Move(NamedTuple):
    """A bundle left its slot: what the store notes of that, beside when it did."""

    version: int  # of the plan, from then on; 0 is the plan as it was made
    bundle: int
    slot: int
    due_ms: int  # after the submission: when it should have begun at the latest
    container: str  # that took it
    owner: str  # the slot's container; empty if it had none
    busy_with: int  # the bundle that this one was at; -1: none

    @staticmethod
    def unpack(payload: bytes) -> Move:
        return Move(*noted(payload, TYPES, "bundle that was moved"))

    def pack(self) -> bytes:
        return bytes(msgpack.packb(tuple(self)))


class Patience:
    """Ready bundles that wait for the containers of their slots, and which of them are late."""

    def __init__(self, due: Sequence[int] = ()) -> None:
        self.due = due  # by bundle
        self.waiting: dict[tuple[int, int], int] = {}  # (slot, bundle) → when it is late
        self.coming: list[Late] = []  # a heap; may hold some that wait no more
        self.late: defaultdict[int, Ordered[Late]] = defaultdict(Ordered)  # by size

    def add(self, slot: int, bundle: int) -> None:
        if self.due and self.due[bundle] < NEVER:
            self.set(slot, bundle, self.due[bundle])

    def set(self, slot: int, bundle: int, due: int) -> None:
        self.discard(slot, bundle)
        self.waiting[slot, bundle] = due
        heappush(self.coming, (due, slot, bundle))

    def discard(self, slot: int, bundle: int) -> None:
        due = self.waiting.pop((slot, bundle), None)
        if due is not None:
            self.late[size_of(slot)].discard((due, slot, bundle))

    def pop(self, now: float, size: int) -> Late | None:
        """The one that was due first, of those for a container of that size; it waits no more."""
        if not self.count(now, size):
            return None
        due, slot, bundle = self.late[size].pop()
        del self.waiting[slot, bundle]
        return due, slot, bundle

    def count(self, now: float, size: int) -> int:
        """How many of that size are late, so many ms after the submission."""
        while self.coming and self.coming[0][0] <= now:
            due, slot, bundle = heappop(self.coming)
            if self.waiting.get((slot, bundle)) == due:
                self.late[size_of(slot)].add((due, slot, bundle))
        return len(self.late[size])
