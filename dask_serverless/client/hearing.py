"""Hearing: what tasks print, shown at the client while they run."""

from __future__ import annotations

import logging
import sys
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from textwrap import indent
from typing import Any, NamedTuple

from dask_serverless.blobs.base import Command
from dask_serverless.coordination import said as stream
from dask_serverless.coordination.base import Coordination, News
from dask_serverless.errors import BundleLost, StoreError
from dask_serverless.translation.translate import Translation
from dask_serverless.worker.said import ERR, Said, container_of, unpack_batch

logger = logging.getLogger(__name__)

LAST_SECONDS = 2.0  # for lines that are known to be on their way when the run is over
LOST_SECONDS = 1.0  # for those of containers that died, which nobody has counted
REMEMBERED_LINES = 20  # of each container
LOGGER = "dask_serverless.tasks"


class LogLine(NamedTuple):
    """One line that a task has printed."""

    container: str
    key: Any  # the task's; None: it came between tasks, as from a module that is imported
    function: str
    stream: str  # stdout or stderr
    text: str

    def __str__(self) -> str:
        whose = f"{self.container} {self.key}" if self.key is not None else self.container
        return f"[{whose}] {self.text}"


Show = Callable[[LogLine], object]


class Hearing:
    """Of one run."""

    listens = True

    def __init__(self, show: Show, translation: Translation) -> None:
        self.show = show
        self.dag = translation.dag
        self.last = stream.FROM_THE_START
        self.heard: dict[str, int] = {}  # voice → how many of its lines came, or never will
        self.expected: dict[str, int] = {}
        self.tails: dict[str, deque[str]] = {}
        self.dropped = 0

    def begun(self, run: str) -> list[Command]:
        """What goes to the store before the run."""
        return stream.begun(run)

    def heed(self, news: News) -> None:
        self.last = news.last_said
        for batch in news.said:
            for said in lines_in(batch):
                self.hear(said)

    def hear(self, said: Said) -> None:
        container = container_of(said.voice)
        self.miss(said.voice, said.number)
        self.heard[said.voice] = said.number + (said.text is not None)
        if said.text is not None:
            self.tails.setdefault(container, deque(maxlen=REMEMBERED_LINES)).append(said.text)
            known = 0 <= said.task < self.dag.tasks
            key = self.dag.labels[said.task] if known else None
            name = self.dag.function_names[self.dag.functions[said.task]] if known else ""
            self.tell(container, key, name, said.stream, said.text)

    def miss(self, voice: str, lines: int) -> None:
        """Of so many lines of a voice, those that have not come never will."""
        missing = lines - self.heard.get(voice, 0)
        if missing > 0:
            self.dropped += missing
            text = f"… {missing} lines were dropped here"
            self.tell(container_of(voice), None, "", ERR, text)

    def tell(self, container: str, key: Any, function: str, stream: str, text: str) -> None:
        """A place to show lines that fails is no reason for a run to fail: it is told once."""
        try:
            self.show(LogLine(container, key, function, stream, text))
        except Exception as error:
            self.show = unseen
            problem = f"{type(error).__name__}: {error}"
            warnings.warn(f"What tasks print is not shown any more: {problem}", stacklevel=2)

    def expect(self, spoke: Sequence[Any] | None) -> None:
        """So many lines of each voice are on their way."""
        if spoke is not None:
            self.expected.update(zip(spoke[::2], spoke[1::2], strict=True))

    @property
    def complete(self) -> bool:
        return all(self.heard.get(voice, 0) >= lines for voice, lines in self.expected.items())

    def finish(self, coordination: Coordination, lost: bool = False) -> None:
        """The run is over: what is still on its way is shown, too, and what is not is counted."""
        with suppress(StoreError):
            self.hear_the_last(coordination, lost)
        for voice, lines in self.expected.items():
            self.miss(voice, lines)
            self.heard[voice] = max(lines, self.heard.get(voice, 0))

    def hear_the_last(self, coordination: Coordination, lost: bool) -> None:
        until = time.monotonic() + (LOST_SECONDS if lost else LAST_SECONDS)
        while (left := until - time.monotonic()) > 0 and (lost or not self.complete):
            self.heed(coordination.news(THE_END, left, last_said=self.last))

    def with_last_lines(self, error: BundleLost) -> BundleLost:
        """What was printed was heard here, and is not among what a container's process wrote."""
        story = [(name, last_words(why, self.tails.get(name, ()))) for name, why in error.story]
        return BundleLost(
            error.tries, error.why, error.tasks, error.functions, error.keys, story, error.hint
        )


def lines_in(batch: bytes) -> list[Said]:
    """Nothing, where somebody else has written into the run's stream."""
    try:
        return unpack_batch(batch)
    except Exception as error:  # whatever msgpack has to say
        logger.info("what tasks print cannot be read: %s", error)
        return []


def last_words(why: str, lines: Iterable[str]) -> str:
    printed = indent("\n".join(lines), "    ")
    return f"{why.rstrip()}. It printed at last:\n{printed}" if printed else why


THE_END = f"{2**63}-0"  # no event comes after it


class Deaf:
    """In place of a hearing, where nobody listens."""

    listens = False
    last = ""
    dropped = 0

    def begun(self, run: str) -> list[Command]:
        return []

    def heed(self, news: News) -> None: ...

    def expect(self, spoke: Sequence[Any] | None) -> None: ...

    def finish(self, coordination: Coordination, lost: bool = False) -> None: ...

    def with_last_lines(self, error: BundleLost) -> BundleLost:
        return error


DEAF = Deaf()


def shown_by(setting: Any) -> Show | None:
    """The setting ``logs``, which has been checked."""
    if setting is None or setting is False:
        return None
    if setting is True:
        return printed
    if setting == "logging":
        setting = logging.getLogger(LOGGER)
    if isinstance(setting, logging.Logger):
        return Logged(setting)
    show: Show = setting
    return show


def printed(line: LogLine) -> None:
    """Where this client's own lines go: below the cell, in a notebook."""
    print(line, file=sys.stderr if line.stream == ERR else sys.stdout, flush=True)


class Logged:
    """Each line is a record, with its parts as attributes."""

    def __init__(self, logger: logging.Logger) -> None:
        self.logger = logger

    def __call__(self, line: LogLine) -> None:
        level = logging.WARNING if line.stream == ERR else logging.INFO
        parts = {name: getattr(line, name) for name in ("container", "key", "function", "stream")}
        self.logger.log(level, "%s", line, extra=parts)


def unseen(line: LogLine) -> None:
    """What comes after a failure."""
