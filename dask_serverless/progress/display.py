"""The display of one run: beside whoever else watches it, in a thread that looks now and then."""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from dask_serverless.blobs.base import LIVE_SECONDS, Command
from dask_serverless.client.report import RunReport
from dask_serverless.client.structure import planned_times, structure_of
from dask_serverless.client.watch import Left, Watch
from dask_serverless.coordination import watched
from dask_serverless.dashboard.following import Following
from dask_serverless.dashboard.view import View
from dask_serverless.errors import StoreError
from dask_serverless.progress.screens import Screen, screen_for
from dask_serverless.progress.standing import Forecast, Standing, left
from dask_serverless.store.link import Link
from dask_serverless.worker.rhythm import NEVER, Rhythm
from planners.graph.dag import Dag

if TYPE_CHECKING:
    from planners.cost.outlook import Outlook

QUIET_SECONDS = 0.3  # shorter runs are over before anybody could read of them
LOOK_SECONDS = 0.2  # between two looks
OWN = Rhythm(NEVER, 0.25)  # how often containers tell, if nobody else wants to know
STOP_SECONDS = 1.0


def displayed(watch: Watch, setting: bool | str, side: Callable[[], Link]) -> Watch:
    """The same watch, and a display if there is anywhere to show it."""
    screen = screen_for(setting)
    return watch if screen is None else ProgressWatch(watch, screen, side)


class ProgressWatch:
    """What containers tell of a run is shown to its own client; other watchers see it, too."""

    def __init__(self, other: Watch, screen: Screen, side: Callable[[], Link]) -> None:
        self.other = other
        self.screen = screen
        self.side = side  # a connection of its own
        self.following: Following | None = None
        self.foreseen: Callable[[], Outlook] | None = None
        self.begun_at = 0.0  # by the monotonic clock
        self.shown = False
        self.over_yet = threading.Event()
        self.thread: threading.Thread | None = None

    @property
    def rhythm(self) -> Rhythm:
        other = self.other.rhythm
        return OWN if other is None else Rhythm(*map(min, other, OWN))

    def begun(self, report: RunReport, dag: Dag, containers: int) -> list[Command]:
        commands, run = self.other.begun(report, dag, containers), report.run
        structure = structure_of(report, time.time(), dag, containers)
        self.following = Following(run, View(structure))
        self.foreseen = report.by_numbers
        self.begun_at = time.monotonic()
        target = contextvars.copy_context().run  # a notebook tells by it which cell shows what
        self.thread = threading.Thread(
            target=target, args=(self.look,), name="progress", daemon=True
        )
        self.thread.start()
        return commands if self.other.rhythm else [*commands, *watched.begun(run, LIVE_SECONDS)]

    def submitted(self) -> None:
        self.other.submitted()

    def keep(self) -> list[Command]:
        if self.other.rhythm or self.following is None:
            return self.other.keep()
        return [("EXPIRE", watched.watched_key(self.following.run), LIVE_SECONDS)]

    def ending(self, left: Left) -> None:
        self.other.ending(left)

    def over(self, report: RunReport, error: BaseException | None) -> None:
        self.over_yet.set()
        try:
            if self.thread is not None:
                self.thread.join(STOP_SECONDS)
                self.remove(report.run)
        finally:
            if self.shown:
                self.screen.end(ended(report) if error is None else None)
            self.other.over(report, error)

    def remove(self, run: str) -> None:
        if self.other.rhythm is None:
            with suppress(StoreError), self.side() as link:
                link.call(("UNLINK", watched.watched_key(run)))

    def look(self) -> None:
        """In a thread: nothing of the run waits for it."""
        if self.over_yet.wait(QUIET_SECONDS):
            return
        forecast = self.forecast()
        with suppress(StoreError), self.side() as link:  # the run itself will tell of its store
            while True:
                assert self.following is not None
                self.following.read(link)
                if self.following.behind and not self.over_yet.is_set():
                    continue
                if self.over_yet.is_set():
                    return
                self.shown = True
                self.screen.show(self.standing(forecast))
                if self.over_yet.wait(LOOK_SECONDS):
                    return

    def forecast(self) -> Forecast | None:
        return Forecast.of(planned_times(self.foreseen())) if self.foreseen is not None else None

    def standing(self, forecast: Forecast | None) -> Standing:
        assert self.following is not None
        series = self.following.view.series
        seconds = time.monotonic() - self.begun_at
        now = Standing(
            series.structure.tasks, series.done_tasks, series.structure.bundle_count,
            series.done_bundles, len(set(self.following.working.values())), seconds,
        )  # fmt: skip
        return with_left(now, left(now, forecast))


def with_left(standing: Standing, seconds: float | None) -> Standing:
    return Standing(**{**vars(standing), "left": seconds})


def ended(report: RunReport) -> Standing:
    """The numbers of ``last_run``."""
    return Standing(
        report.tasks, report.tasks, report.bundles, report.bundles, len(report.containers),
        report.wall_seconds, over=True,
    )  # fmt: skip
