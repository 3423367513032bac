"""Voice: what tasks of one run print in this container is taken down, line by line.

In the place of sys.stdout and sys.stderr stand streams that hand on what threads of a container
write, and pass on what others do. What writes past them, such as C code or another program, is taken
down by others, whom a container tells whose turn it is.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any, Protocol, TextIO

from dask_serverless.worker.bundle import BundleSpec, Step
from dask_serverless.worker.execute import owner
from dask_serverless.worker.said import ERR, NO_TASK, OUT, Said, Spoke, Spoken

PIECE_CHARACTERS = 700  # of a line: with all that belongs to it below what a pipe takes whole
LONGEST_CHARACTERS = 20_000  # of a line, before it was cut
# How much a container may say: so much at once, and as much again in so many seconds.
MOST_LINES, MOST_CHARACTERS, AGAIN_SECONDS = 10_000, 2 << 20, 5.0
ENOUGH = 10  # once it is used up, so much of it has to come back: a gap, and no sieve


_voices = count()  # that this process has had


class Mouth(Protocol):
    """Takes what is said to somebody who outlives this process."""

    alone: bool  # whether all threads of this process are the container's

    def say(self, spoken: bytes) -> bool:
        """Whether it was taken."""


class Past(Protocol):
    """What is written past a voice: to whom it goes meanwhile, and whose it is."""

    def begin(self) -> None: ...

    def turn(self, task: int) -> None:
        """What comes from now on is this task's."""

    def told(self) -> Spoke: ...

    def end(self) -> None: ...


class Unnoticed:
    """Where nobody can take it down."""

    def begin(self) -> None: ...

    def turn(self, task: int) -> None: ...

    def told(self) -> Spoke:
        return ()

    def end(self) -> None: ...


UNNOTICED = Unnoticed()


@dataclass
class Allowance:
    """Of lines and characters; it fills up again."""

    lines: float = MOST_LINES
    characters: float = MOST_CHARACTERS
    at: float = field(default_factory=time.monotonic)
    used_up: bool = False

    def take(self, characters: int) -> bool:
        now = time.monotonic()
        share, self.at = (now - self.at) / AGAIN_SECONDS, now
        self.lines = min(MOST_LINES, self.lines + share * MOST_LINES)
        self.characters = min(MOST_CHARACTERS, self.characters + share * MOST_CHARACTERS)
        if self.used_up and self.lines < MOST_LINES / ENOUGH:
            return False
        self.used_up = self.lines < 1 or self.characters < characters
        if self.used_up:
            return False
        self.lines -= 1
        self.characters -= characters
        return True


class Under:
    """Which step is under way: known to whoever asks, at no cost to those who do not."""

    def __init__(self, past: Past) -> None:
        self.past = past
        self.program: list[Step] = []
        self.step = NO_TASK
        self.running = False

    @property
    def task(self) -> int:
        if not self.running:
            return NO_TASK
        return self.step if self.step >= 0 else owner(self.program, self.step)

    def turn(self, step: int) -> None:
        self.step = step
        self.past.turn(self.task)


class Noted(list[Step]):
    """A program that notes which of its steps is under way when it is run."""

    def __init__(self, program: list[Step], under: Under) -> None:
        super().__init__(program)
        self.under = under

    def __iter__(self) -> Iterator[Step]:
        under = self.under
        under.running = True
        for step in super().__iter__():
            under.turn(step[0])
            yield step

    def __getitem__(self, place: Any) -> Any:
        found = super().__getitem__(place)
        return Noted(found, self.under) if isinstance(place, slice) else found


def shortened(line: str) -> str:
    more = len(line) - LONGEST_CHARACTERS
    return line if more <= 0 else f"{line[:LONGEST_CHARACTERS]}… ({more} more characters)"


def pieces(line: str) -> Iterator[str]:
    """Of a line, each small enough for a pipe; of an empty one, one."""
    line = shortened(line.rstrip("\r"))
    for first in range(0, max(1, len(line)), PIECE_CHARACTERS):
        yield line[first : first + PIECE_CHARACTERS]


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
        _ears.add(self)
        self.past.begin()
        self.past.turn(NO_TASK)

    def end(self) -> None:
        self.past.end()
        _ears.remove(self)

    def noting(self, spec: BundleSpec) -> BundleSpec:
        """The bundle, and from now on its tasks are known by name."""
        self.under.program = spec.program
        return replace(spec, program=Noted(spec.program, self.under))

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
        said = Said(self.name, self.lines, task, stream, text)
        return self.mouth.say(Spoken(self.store, self.run, said).pack())


class Unheard:
    """In place of a voice, where nobody listens: what tasks print goes where it always goes."""

    def begin(self) -> None: ...

    def end(self) -> None: ...

    def noting(self, spec: BundleSpec) -> BundleSpec:
        return spec

    def told(self) -> Spoke | None:
        return None


UNHEARD = Unheard()


class Aloud:
    """In the place of sys.stdout or sys.stderr."""

    def __init__(self, stream: TextIO, name: str) -> None:
        self._stream = stream
        self._name = name

    def write(self, text: str) -> int:
        voice = _ears.voice()
        if voice is None:
            return self._stream.write(text)
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        voice.write(self._name, text)
        return len(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        voice = _ears.voice()
        if voice is None:
            self._stream.flush()
        else:
            voice.flush(self._name)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class Ears:
    """Whose voice a thread's is, in this process; while there are any, its streams are ours."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.by_thread: dict[int, Voice] = {}
        self.alone: Voice | None = None  # of all threads
        self.streams: dict[str, tuple[Any, Aloud]] = {}

    def voice(self) -> Voice | None:
        return self.by_thread.get(threading.get_ident(), self.alone)

    def add(self, voice: Voice) -> None:
        with self.lock:
            if not self.by_thread:
                self.take_streams()
            self.by_thread[threading.get_ident()] = voice
            self.alone = voice if voice.mouth.alone else None

    def remove(self, voice: Voice) -> None:
        with self.lock:
            if self.by_thread.pop(threading.get_ident(), None) is not None and not self.by_thread:
                self.alone = None
                self.give_back_streams()

    def take_streams(self) -> None:
        for name in (OUT, ERR):
            stream = getattr(sys, name)
            if stream is not None:
                self.streams[name] = (stream, Aloud(stream, name))
                exchange(name, *self.streams[name])

    def give_back_streams(self) -> None:
        for name, (stream, aloud) in self.streams.items():
            exchange(name, aloud, stream)
        self.streams.clear()


def exchange(name: str, before: Any, after: Any) -> None:
    """Also where loggers have taken it; not where somebody has put another one in its place."""
    if getattr(sys, name) is before:
        setattr(sys, name, after)
    for reference in list(logging._handlerList):  # type: ignore[attr-defined]
        handler = reference()
        if (
            isinstance(handler, logging.StreamHandler)
            and getattr(handler, "stream", None) is before
        ):
            handler.setStream(after)


_ears = Ears()
