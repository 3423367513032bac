"""Asking a platform for containers: so many requests at once, each until somebody has come."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from dask_serverless.backends.messages import Message
from dask_serverless.backends.waiting import Waiting
from dask_serverless.errors import ServerlessError
from dask_serverless.worker.invitation import Invitation

SHORTEST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.02, 1.0
PATIENCE_SECONDS = 20.0  # then the sweep has asked again, if it is still needed
LOOK_SECONDS = 1.0  # while the platform rests: whether anybody still wants what is asked for
MOST_ANSWERS = 1000  # that are noted, of as many runs
MOST_REST_SECONDS = 60.0  # that a platform may ask for


@dataclass(frozen=True)
class Answer:
    """What came of asking."""

    came: bool = False
    told: Sequence[Message] = ()  # by the container, until it left the run
    why: str = ""  # nobody came: for people
    reached: bool = True  # whether a container, or the platform's gate, has answered
    refusal: ServerlessError | None = None  # no repetition changes that
    at_last: ServerlessError | None = None  # if it is never reached: a network may get over it
    rest_seconds: float = 0.0  # that the platform wants from whoever asks it


class Platform(Protocol):
    """Where containers are asked for; any thread may."""

    closed: threading.Event

    def invoke(self, invitation: Invitation) -> Answer:
        """Ask once."""

    def close(self) -> None:
        """Nobody asks any more."""


Heard = Callable[[Invitation, Answer], None]


class Asking:
    """Runs take turns, as they do in a nursery. ``heard`` is told how each invitation went."""

    def __init__(
        self,
        platform: Platform,
        most: int,
        heard: Heard,
        at_once: int = 0,
        most_rest_seconds: float = MOST_REST_SECONDS,
    ) -> None:
        self.platform = platform
        self.at_once = at_once or most  # requests under way
        self.heard = heard
        self.most_rest_seconds = most_rest_seconds
        self.rests_until = 0.0  # the platform, for all runs
        self.answers: dict[str, Answer] = {}  # run → the last one
        self.changed = threading.Condition()
        self.waiting = Waiting(most)
        self.threads = 0
        self.under_way: Counter[str] = Counter()  # requests for a run
        self.dropped: set[str] = set()  # runs with requests under way that nobody wants any more

    def ask(self, invitation: Invitation, count: int = 1) -> None:
        with self.changed:
            for _ in range(count):
                self.waiting.add(invitation)
            wanted = min(len(self.waiting), self.at_once - self.threads)
            self.threads += max(0, wanted)
        for _ in range(wanted):
            threading.Thread(target=self.work, name="dask-serverless-asking", daemon=True).start()

    def drop(self, run: str) -> bool:
        """Ask no more for this run; whether nobody does."""
        with self.changed:
            self.waiting.drop(run)
            self.answers.pop(run, None)
            if self.under_way[run]:
                self.dropped.add(run)
            return not self.under_way[run]

    def settled(self, seconds: float) -> bool:
        """Whether every request is answered or given up, within this time."""
        with self.changed:
            return self.changed.wait_for(lambda: not self.threads, seconds)

    def work(self) -> None:
        """In a thread, until nothing waits."""
        while True:
            with self.changed:
                if not self.waiting:
                    self.threads -= 1
                    self.changed.notify_all()
                    return
                invitation = self.waiting.next()
                self.under_way[invitation.run] += 1
            answer = self.carry_out(invitation)
            with self.changed:
                self.under_way -= Counter([invitation.run])
                if not self.under_way[invitation.run]:
                    self.dropped.discard(invitation.run)
            self.heard(invitation, answer)

    def carry_out(self, invitation: Invitation) -> Answer:
        """What came of it, after as many tries as that takes."""
        pause = SHORTEST_PAUSE_SECONDS
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            deadline += self.rest(invitation.run)
            try:
                answer = self.platform.invoke(invitation)
            except Exception as error:  # that nobody foresaw: this thread must go on, for all runs
                return self.noted(invitation, Answer(why=told(error), reached=False))
            self.noted(invitation, answer)
            over = self.unwanted(invitation.run) or time.monotonic() > deadline
            if answer.came or answer.refusal or over:
                return answer
            self.platform.closed.wait(random.uniform(0.5, 1.0) * pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    def noted(self, invitation: Invitation, answer: Answer) -> Answer:
        rest = min(answer.rest_seconds, self.most_rest_seconds)
        with self.changed:
            if rest > 0:
                self.rests_until = max(self.rests_until, time.monotonic() + rest)
            if invitation.run not in self.dropped:
                self.answers[invitation.run] = answer
            if len(self.answers) > MOST_ANSWERS:  # whoever is asked here may not hear of runs' ends
                del self.answers[next(iter(self.answers))]
        return answer

    def rest(self, run: str) -> float:
        """While the platform wants that, as long as the run wants anything; for how many seconds."""
        begun = time.monotonic()
        while (left := self.rests_until - time.monotonic()) > 0 and not self.unwanted(run):
            self.platform.closed.wait(min(left, LOOK_SECONDS))
        return time.monotonic() - begun

    def unwanted(self, run: str) -> bool:
        return self.platform.closed.is_set() or run in self.dropped


def told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
