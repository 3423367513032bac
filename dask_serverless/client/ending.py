"""The end of a run: nothing is left, and what fails or is interrupted is done later."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from dask_serverless.store.address import masked, parse, without_password

if TYPE_CHECKING:
    from dask_serverless.blobs.blobs import Blobs
    from dask_serverless.client.surroundings import Surroundings
    from dask_serverless.coordination.base import Coordination, Remains

    Step = Callable[[Coordination, Blobs], object]

logger = logging.getLogger(__name__)

SHOWN_LETTERS = 200  # of what is wrong with a place
PATIENCE_SECONDS = 3.0  # with a store that did not answer at the end of a run
CLOSING_SECONDS = 5.0  # for all that close() still has to do


class Ending:
    """Made before the run leaves its first trace, gone from ``around.endings`` with its last.

    Its steps are independent: where one fails (a bucket that forbids to delete, a connection that
    is cut just now), the others are done nevertheless, and a result that is here stays one.
    """

    def __init__(self, around: Surroundings, run: str, epoch: str) -> None:
        self.around = around
        self.run = run
        self.epoch = epoch
        self.submitted = False
        self.over = False  # all bundles are done: no container works on the run any more
        self.passes = 0
        self.done: set[str] = set()
        self.failed: dict[str, str] = {}  # where something is left -> why
        self.remains: Remains | None = None
        self.lock = threading.RLock()  # passes follow one another
        around.endings[run] = self

    def steps(self) -> Iterator[Step]:
        if not self.submitted:
            yield self.withdraw
        yield self.close
        yield self.delete
        yield self.clear
        if not self.over:
            yield self.stop

    def carry_out(self, coordination: Coordination, blobs: Blobs) -> None:
        """Every step that is not done yet."""
        with self.lock:
            self.passes += 1
            for step in self.steps():
                if step.__name__ not in self.done:
                    self.attempt(step, coordination, blobs)
            if all(step.__name__ in self.done for step in self.steps()):
                self.give_up()

    def attempt(self, step: Step, coordination: Coordination, blobs: Blobs) -> None:
        try:
            step(coordination, blobs)
        except Exception as error:
            logger.info("the end of run %s (%s) is not complete: %s", self.run, step, error)
            self.failed[self.where(step.__name__)] = self.said(error)
        else:
            self.done.add(step.__name__)

    def where(self, step: str) -> str:
        """The place that a step is to leave clean, for people."""
        if step in ("delete", "clear") and (url := self.around.storage.url):
            return f"{masked(url).rstrip('/')}/{self.run}"
        return f"run {self.run} in {parse(self.around.store).shown}"

    def said(self, error: Exception) -> str:
        """Its first line: libraries quote what they were given, and whole answers."""
        line = (str(error).splitlines() or [""])[0][:SHOWN_LETTERS]
        why = without_password(without_password(line, self.around.storage.url), self.around.store)
        return f"{type(error).__name__}: {why}" if why else type(error).__name__

    @property
    def left(self) -> str:
        """What could not be removed, and why."""
        told = self.failed or {self.where("close"): "there was no time for it"}
        return "; ".join(f"{place} ({why})" for place, why in told.items())

    def give_up(self) -> None:
        """There is nothing more to do, or nothing that could be done."""
        self.around.endings.pop(self.run, None)
        self.around.backend.forget(self.run)

    def complete(self) -> None:
        """Once more, over a connection of its own."""
        self.failed.clear()
        try:
            with self.around.side() as link:
                link.patience_seconds = min(link.patience_seconds, PATIENCE_SECONDS)
                coordination = self.around.coordination(link, self.run, self.epoch)
                self.carry_out(coordination, self.around.blobs(link, self.run, self.epoch))
        except Exception as error:
            self.failed[self.where("close")] = self.said(error)

    def hand_over(self) -> None:
        """Ctrl-C came in the middle: what is left is done where no signal handler runs."""
        if self.run in self.around.endings:
            with suppress(RuntimeError):  # Python is about to end, and closes everything then
                threading.Thread(target=self.complete, name="ending", daemon=True).start()

    def withdraw(self, coordination: Coordination, blobs: Blobs) -> None:
        coordination.withdraw()

    def close(self, coordination: Coordination, blobs: Blobs) -> None:
        if blobs.knows_runs and self.passes == 1:
            coordination.forget()  # the link sees to it that this is answered
        else:
            self.remains = coordination.close()

    def delete(self, coordination: Coordination, blobs: Blobs) -> None:
        if self.remains is not None:
            blobs.delete(self.remains.references)
            blobs.forget(self.run, self.remains.claims)

    def clear(self, coordination: Coordination, blobs: Blobs) -> None:
        blobs.clear(self.run)

    def stop(self, coordination: Coordination, blobs: Blobs) -> None:
        self.done.add("stop")  # before the backend may say at once that all containers have left
        try:
            self.around.backend.stop(self.run, self.settled)
        except BaseException:
            self.done.discard("stop")
            raise

    def settled(self) -> None:
        """The last container has left a run that was stopped: what it wrote since goes too."""
        with self.lock:
            self.done -= {"delete", "clear"}
            self.around.endings[self.run] = self
        self.complete()


class Endings(dict[str, Ending]):
    """Those of one engine: of runs under way, and of runs that did not end completely."""

    def catch_up(self, store: str) -> None:
        """Before the next run: once more for each. A store that is gone has nothing left."""
        for ending in list(self.values()):
            if ending.passes and ending.around.store != store:
                ending.give_up()
            elif ending.passes == 1:
                ending.complete()

    def finish(self) -> None:
        """At close, when there is no later."""
        deadline = time.monotonic() + CLOSING_SECONDS
        for ending in list(self.values()):
            if time.monotonic() < deadline:
                ending.complete()
        if self:
            told = "; ".join(ending.left for ending in list(self.values()))
            logger.warning("Could not remove all that runs left: %s. Remove it by hand.", told)
