"""Under: which task is under way, for whoever takes down what it prints."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from dask_serverless.worker.bundle import Step
from dask_serverless.worker.execute import owner
from dask_serverless.worker.said import NO_TASK, Spoke


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
