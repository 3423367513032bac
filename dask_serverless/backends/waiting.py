"""Invitations that wait for a container: the runs take turns, however many each of them has."""

from __future__ import annotations

from collections import deque

from dask_serverless.worker.invitation import Invitation


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
        if len(queue) < self.most:
            queue.append(invitation)

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

    def others(self, run: str) -> bool:
        """Whether any run but this one waits."""
        return len(self.runs) > (run in self.runs)

    def begun(self, run: str) -> bool:
        """Whether one of the others is known to be in the store."""
        return any(not queue[0].early for other, queue in self.runs.items() if other != run)
