"""Invitations to be there, not yet to work: containers that will be needed in a moment."""

from __future__ import annotations

from heapq import heappop, heappush
from itertools import count

from dask_serverless.worker.invitation import Invitation


class Warming:
    """By when they are due; they are no promise, and go with their run."""

    def __init__(self) -> None:
        self.heap: list[tuple[float, int, Invitation]] = []
        self.numbers = count()

    def add(self, invitation: Invitation, now: float) -> None:
        due = now + (invitation.warm_in or 0.0)
        heappush(self.heap, (due, next(self.numbers), invitation))

    @property
    def due_at(self) -> float | None:
        return self.heap[0][0] if self.heap else None

    def due(self, now: float) -> list[Invitation]:
        found = []
        while self.heap and self.heap[0][0] <= now:
            found.append(heappop(self.heap)[-1])
        return found
