"""Early: outputs of a bundle's first tasks are stored by a thread while its last ones still run.

They are announced with the others, once the bundle is done. What cannot be stored now is stored
then, or fails as it would have failed: nothing goes wrong in here.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from queue import SimpleQueue
from time import perf_counter
from typing import Any

from dask_serverless.blobs.base import Stored
from dask_serverless.blobs.blobs import INLINE
from dask_serverless.worker.bundle import Step
from dask_serverless.worker.in_parts import InParts
from dask_serverless.worker.preloading import Side

Waiting = tuple[int, Any]  # a task and its output


@dataclass(frozen=True)
class Sent:
    """An output that is stored, with the seconds that it took."""

    task: int
    stored: Stored
    seconds: float


class Early:
    """Of one attempt at a bundle; watches its tasks. Names are those of the attempt, in order."""

    def __init__(
        self,
        tasks: Collection[int],
        names: Iterator[str],
        in_parts: InParts,
        open_side: Callable[[], Side],
    ) -> None:
        self.tasks = tasks
        self.names = names
        self.name = next(names)  # of what is sent next
        self.in_parts = in_parts
        self.open_side = open_side
        self.waiting: SimpleQueue[Waiting | None] = SimpleQueue()
        self.thread: threading.Thread | None = None
        self.sent: list[Sent] = []
        self.failed = 0  # names of which something may be stored that nobody will announce
        self.given_up = False

    def task(
        self, steps: Sequence[Step], start: float, end: float, values: Mapping[int, Any]
    ) -> bool:
        name = steps[-1][0]
        if name in self.tasks:
            self.waiting.put((name, values[name]))
            if self.thread is None:
                self.thread = threading.Thread(
                    target=self.live, name="dask-serverless-early", daemon=True
                )
                self.thread.start()
        return True

    def live(self) -> None:
        with suppress(Exception), closing(self.open_side()) as side:
            while (one := self.waiting.get()) is not None and not self.given_up:
                self.send(side, *one)
                del one  # the value may be large

    def send(self, side: Side, task: int, value: Any) -> None:
        """What is small stays for the call that announces it."""
        begun = perf_counter()
        self.failed = 1
        stored = self.in_parts.put(self.name, task, value)
        if stored.reference[:1] != INLINE:
            if stored.commands:
                side.coordination.write(stored.commands)
            stored = stored._replace(commands=[])
            self.sent.append(Sent(task, stored, perf_counter() - begun))
            self.name = next(self.names)
        self.failed = 0

    def finish(self) -> Sequence[Sent]:
        """The bundle's tasks are done: what has been stored by now, and the one under way."""
        self.waiting.put(None)
        if self.thread is not None:
            self.thread.join()
        return self.sent

    def give_up(self) -> None:
        """The attempt has come to nothing; what it stored goes with the run."""
        self.given_up = True
        self.waiting.put(None)
