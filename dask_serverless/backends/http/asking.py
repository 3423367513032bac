"""Asking a platform for containers: so many requests at once, each until somebody has come."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable

from dask_serverless.backends.http.endpoint import Answer, Endpoint
from dask_serverless.backends.waiting import Waiting
from dask_serverless.worker.invitation import Invitation

SHORTEST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.02, 1.0
PATIENCE_SECONDS = 20.0  # then the sweep has asked again, if it is still needed

Heard = Callable[[Invitation, Answer], None]


class Asking:
    """Runs take turns, as they do in a nursery. ``heard`` is told how each invitation went."""

    def __init__(self, endpoint: Endpoint, most: int, heard: Heard) -> None:
        self.endpoint = endpoint
        self.most = most
        self.heard = heard
        self.lock = threading.Lock()
        self.waiting = Waiting(most)
        self.threads = 0
        self.under_way: Counter[str] = Counter()  # requests for a run
        self.dropped: set[str] = set()  # runs with requests under way that nobody wants any more

    def ask(self, invitation: Invitation, count: int = 1) -> None:
        with self.lock:
            for _ in range(count):
                self.waiting.add(invitation)
            wanted = min(len(self.waiting), self.most - self.threads)
            self.threads += max(0, wanted)
        for _ in range(wanted):
            threading.Thread(target=self.work, name="dask-serverless-http", daemon=True).start()

    def drop(self, run: str) -> bool:
        """Ask no more for this run; whether nobody does."""
        with self.lock:
            self.waiting.drop(run)
            if self.under_way[run]:
                self.dropped.add(run)
            return not self.under_way[run]

    def work(self) -> None:
        """In a thread, until nothing waits."""
        while True:
            with self.lock:
                if not self.waiting:
                    self.threads -= 1
                    return
                invitation = self.waiting.next()
                self.under_way[invitation.run] += 1
            answer = self.carry_out(invitation)
            with self.lock:
                self.under_way -= Counter([invitation.run])
                if not self.under_way[invitation.run]:
                    self.dropped.discard(invitation.run)
            self.heard(invitation, answer)

    def carry_out(self, invitation: Invitation) -> Answer:
        """What came of it, after as many tries as that takes."""
        pause = SHORTEST_PAUSE_SECONDS
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            answer = self.endpoint.invoke(invitation)
            over = self.endpoint.closed.is_set() or invitation.run in self.dropped
            if answer.came or answer.refusal or over or time.monotonic() > deadline:
                return answer
            self.endpoint.closed.wait(random.uniform(0.5, 1.0) * pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
