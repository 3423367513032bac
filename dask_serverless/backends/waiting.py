"""Invitations that wait for a container: the runs take turns, however many each of them has."""

from __future__ import annotations

from collections import deque

from dask_serverless.worker.invitation import Invitation

AGAIN_SECONDS = 1.9  # so long after an invitation that nobody answers, the store asks again


class Waiting:
    """A run with sixty invitations stands before another one with its first of them only."""

    def __init__(self, most: int) -> None:
        self.most = most  # of one run: ready bundles wait in the store, whoever comes takes them
        self.runs: dict[str, deque[Invitation]] = {}  # whose turn it is comes first

    def __bool__(self) -> bool:
        return bool(self.runs)

    def __len__(self) -> int:
        return sum(map(len, self.runs.values()))

    def add(self, invitation: Invitation) -> None:
        queue = self.runs.setdefault(invitation.run, deque())
        if invitation.memory_mb:
            self.supersede(queue, invitation.asked - AGAIN_SECONDS)
        if len(queue) < self.most or self.few(queue, invitation.memory_mb):
            queue.append(invitation)

    def supersede(self, queue: deque[Invitation], before: float) -> None:
        """Who is still needed has been asked for again: else two large containers come for one bundle."""
        current = [each for each in queue if each.asked >= before]
        queue.clear()
        queue.extend(current)

    def few(self, queue: deque[Invitation], memory_mb: int) -> bool:
        """Whether those that wait are mostly for smaller or larger containers."""
        return memory_mb > 0 and sum(e.memory_mb == memory_mb for e in queue) < self.most

    def next(self) -> Invitation:
        """The first one of the run whose turn it is; that run goes to the end."""
        run, queue = next(iter(self.runs.items()))
        invitation = queue.popleft()
        del self.runs[run]
        if queue:
            self.runs[run] = queue
        return invitation

    def put_back(self, invitation: Invitation) -> None:
        """What could not be placed after all keeps its turn."""
        queue = self.runs.pop(invitation.run, deque())
        queue.appendleft(invitation)
        self.runs = {invitation.run: queue, **self.runs}

    def drop(self, run: str) -> None:
        self.runs.pop(run, None)

    def clear(self) -> None:
        self.runs.clear()

    def others(self, run: str) -> bool:
        """Whether any run but this one waits."""
        return len(self.runs) > (run in self.runs)

    def begun(self, run: str) -> bool:
        """Whether one of the others is known to be in the store."""
        return any(not queue[0].early for other, queue in self.runs.items() if other != run)
