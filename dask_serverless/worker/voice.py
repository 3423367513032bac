"""Voice: what tasks of one run print in this container is taken down, line by line.

In the place of sys.stdout and sys.stderr stand streams (ears.py) that hand on what threads of a
container write, and pass on what others do. What writes past them, such as C code or another program,
is taken down by others, whom a container tells whose turn it is.
"""

from __future__ import annotations

import threading
import time
from itertools import count
from typing import Protocol

from dask_serverless.worker.allowance import LONGEST_CHARACTERS, Allowance, pieces
from dask_serverless.worker.bundle import Step
from dask_serverless.worker.ears import EARS
from dask_serverless.worker.said import NO_TASK, OUT, Said, Spoke, Spoken
from dask_serverless.worker.under import UNNOTICED, Noted, Past, Under

_voices = count()  # that this process has had


class Mouth(Protocol):
    """Takes what is said to somebody who outlives this process."""

    alone: bool  # whether all threads of this process are the container's

    def say(self, spoken: bytes) -> bool:
        """Whether it was taken."""


class Voice:
    """Of one run, in one container."""

    def __init__(
        self, mouth: Mouth, store: str, run: str, container: str, past: Past = UNNOTICED
    ) -> None:
        self.mouth = mouth
        self.past = past
        self.store, self.run = store, run
        self.name = f"{container}/{next(_voices)}"
        self.lock = threading.RLock()
        self.lines = 0  # so far
        self.dropped = False  # whether the last one was
        self.allowance = Allowance()
        # thread, stream → whose line has not ended, and its beginning
        self.rests: dict[tuple[int, str], tuple[int, str]] = {}
        self.under = Under(past)

    def begin(self) -> None:
        """The container turns to a bundle, none of whose tasks runs yet."""
        self.under.running = False
        EARS.add(self, self.mouth.alone)
        self.past.begin()
        self.past.turn(NO_TASK)

    def end(self) -> None:
        self.past.end()
        EARS.remove()

    def noting(self, program: list[Step]) -> list[Step]:
        """What is to be run in its place; whoever only looks at it takes the program itself."""
        self.under.program = program
        return Noted(program, self.under)

    def write(self, stream: str, text: str) -> None:
        with self.lock:
            place, task = (threading.get_ident(), stream), self.under.task
            whose, begun = self.rests.pop(place, (task, ""))
            if whose != task:
                self.say(whose, stream, begun)
                begun = ""
            *lines, rest = (begun + text).split("\n")
            for line in lines:
                self.say(task, stream, line)
            if len(rest) > LONGEST_CHARACTERS:  # no end in sight
                self.say(task, stream, rest)
            elif rest:
                self.rests[place] = task, rest

    def flush(self, stream: str) -> None:
        """Somebody wants it to be seen, though the line is not at its end."""
        with self.lock:
            if rest := self.rests.pop((threading.get_ident(), stream), None):
                self.say(rest[0], stream, rest[1])

    def told(self) -> Spoke | None:
        """Whose voice it is, and how many lines there were so far, with those that have not ended."""
        with self.lock:
            for (_, stream), (task, rest) in self.rests.items():
                self.say(task, stream, rest)
            self.rests.clear()
            if self.dropped:
                self.hand_over(NO_TASK, OUT, None)
            self.under.running = False
            return (self.name, self.lines, *self.past.told())

    def say(self, task: int, stream: str, line: str) -> None:
        for piece in pieces(line):
            allowed = self.allowance.take(len(piece))
            self.dropped = not (allowed and self.hand_over(task, stream, piece))
            self.lines += 1

    def hand_over(self, task: int, stream: str, text: str | None) -> bool:
        said = Said(self.name, self.lines, task, stream, text, time.time())
        return self.mouth.say(Spoken(self.store, self.run, said).pack())


class Unheard:
    """In place of a voice, where nobody listens: what tasks print goes where it always goes."""

    def begin(self) -> None: ...

    def end(self) -> None: ...

    def noting(self, program: list[Step]) -> list[Step]:
        return program

    def told(self) -> Spoke | None:
        return None


UNHEARD = Unheard()
