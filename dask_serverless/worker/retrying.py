"""Runs a bundle with tasks that may be tried again where they raise, in place: their inputs are here."""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import (
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
    MutableMapping,
    Sequence,
)
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from dask_serverless.worker.bundle import Step
from dask_serverless.worker.exceptions import in_words
from dask_serverless.worker.execute import StepFailed, Watch, last_uses, run

ALL_OTHERS = -1  # in the place of a task
SHORTEST_SECONDS, LONGEST_SECONDS = 0.1, 10.0  # between two attempts; twice as long each time
NAP_SECONDS = 0.05  # where an interrupt cannot end a nap, it waits for the end of one
MOST_TOLD = 100  # attempts of one task

Final = tuple[type[Exception], ...]  # what is not tried again, since it would be in vain
Raised = Callable[[int, str], None]  # told of each attempt that is not the last: task, and why


def untold(task: int, why: str) -> None:
    """Where nobody watches."""


_chance = random.Random()  # tasks may have seeded the one that all share


@dataclass
class Retrying:
    """What became of one bundle's attempts."""

    times: Mapping[int, int]  # how often more, by task
    pause: Callable[[float], None]
    final: Final = ()
    raised: Raised = untold
    retries: int = 0
    wasted: float = 0.0  # seconds of attempts that raised, and between attempts

    def run(
        self,
        program: Sequence[Step],
        functions: Sequence[Callable[..., Any]],
        values: MutableMapping[int, Any],
        keep: Collection[int],
        watch: Watch | None = None,
        looks: Sequence[int] = (),
    ) -> None:
        """As ``execute.run`` does, but that it keeps a task's inputs until the task is done."""
        drops = last_uses(program, keep)
        heard = Heard(watch, looks)
        for first, last in tasks_of(program):
            steps = program[first:last]
            made = {step[0] for step in steps}
            inputs = {name for step in steps for name in step[2]} - made
            task = Task(steps, functions, values, {*inputs, steps[-1][0]})
            self.run_task(task, heard.until(last))
            for name in {name for drop in drops[first:last] for name in drop}:
                values.pop(name, None)

    def run_task(self, task: Task, watch: Watch | None) -> None:
        left = self.times.get(task.number, self.times.get(ALL_OTHERS, 0))
        tries: list[str] = []
        while True:
            begun = perf_counter()
            try:
                return task.run(watch)
            except StepFailed as failed:
                error = failed.__cause__
                if not isinstance(error, Exception) or not (left or tries):
                    raise
                took = perf_counter() - begun
                tries = [*tries, f"{in_words(error)} (after {shown(took)})"][-MOST_TOLD:]
                if not left or isinstance(error, self.final):
                    failed.tries = tries
                    raise
                del error  # with all that its frames hold
            left -= 1
            self.retries += 1
            self.raised(task.number, tries[-1])
            self.pause(backoff(len(tries)))
            self.wasted += perf_counter() - begun


@dataclass(frozen=True)
class Task:
    steps: Sequence[Step]
    functions: Sequence[Callable[..., Any]]
    values: MutableMapping[int, Any]
    keep: Collection[int]

    @property
    def number(self) -> int:
        return self.steps[-1][0]

    def run(self, watch: Watch | None) -> None:
        run(self.steps, self.functions, self.values, self.keep, watch)


class Heard:
    """A watch of the whole bundle, from task to task.

    It is gone once it has had enough; and here again at the next of ``looks``, in order.
    """

    def __init__(self, watch: Watch | None, looks: Iterable[int] = ()) -> None:
        self.whole = watch
        self.watch = watch
        self.looks = deque(looks)

    def until(self, last: int) -> Watch | None:
        """Who is told of the steps before that one, if anybody is."""
        while self.looks and self.looks[0] < last:
            self.looks.popleft()
            self.watch = self.whole
        return self.tell if self.watch is not None else None

    def tell(
        self, task: Sequence[Step], start: float, end: float, values: Mapping[int, Any]
    ) -> bool:
        if self.watch is not None and not self.watch(task, start, end, values):
            self.watch = None
        return self.watch is not None


def tasks_of(program: Sequence[Step]) -> Iterator[tuple[int, int]]:
    """Where each task's steps begin and end: the last one bears its name."""
    first = 0
    for last, step in enumerate(program, 1):
        if step[0] >= 0 or last == len(program):
            yield first, last
            first = last


def shown(seconds: float) -> str:
    """To three digits: an attempt that failed at once is none of no time."""
    return f"{seconds * 1e3:.3g} ms" if seconds < 0.9995 else f"{seconds:.2f} s"


def backoff(tries: int) -> float:
    """Seconds; no two containers that were refused together come back together."""
    longest: float = min(LONGEST_SECONDS, SHORTEST_SECONDS * 2 ** min(tries - 1, 30))
    return longest * _chance.uniform(0.5, 1.0)


def nap(seconds: float) -> None:
    """As user code would: what interrupts that, interrupts this."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        time.sleep(min(left, NAP_SECONDS))
