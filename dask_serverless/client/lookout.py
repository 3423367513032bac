"""Waits for the end of a run. To be told is a hint: to look for itself is what this relies on."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from dask_serverless.backends.base import keep_modules
from dask_serverless.blobs.base import LIVE_SECONDS
from dask_serverless.blobs.blobs import Blobs
from dask_serverless.client.failed import RunFailed
from dask_serverless.client.hearing import Deaf, Hearing
from dask_serverless.client.looks import Looks
from dask_serverless.client.losses import Losses
from dask_serverless.client.parts import Parts
from dask_serverless.client.surroundings import Surroundings
from dask_serverless.coordination.base import (
    LOST,
    OK,
    OVER,
    Condition,
    Coordination,
    Event,
    Story,
    What,
)
from dask_serverless.coordination.splitting import Split
from dask_serverless.errors import BundleLost, RunDamaged
from dask_serverless.worker.failure import told_of, unpack_failure, whole
from planners.graph.arrays import Ids
from planners.graph.dag import Dag
from planners.plans.bundles import Bundles

REST_SECONDS = 0.05  # callbacks hear of bundles in batches: one store call each is too many
KEEP_SECONDS = LIVE_SECONDS / 3  # how often what the run has outside its keys is kept alive


class Lookout:
    """Looks after a run that is in the store, and raises whatever else ends it."""

    def __init__(
        self,
        around: Surroundings,
        coordination: Coordination,
        blobs: Blobs,
        losses: Losses,
        hearing: Hearing | Deaf,
        dag: Dag,
        bundles: Bundles,
        looks: Looks,
    ) -> None:
        self.around = around
        self.coordination = coordination
        self.blobs = blobs
        self.losses = losses
        self.hearing = hearing
        self.dag = dag
        self.parts = Parts(bundles)
        self.looks = looks
        self.submitted = self.looked = self.kept = time.monotonic()
        self.over = False  # whether all bundles were done at the last look

    def begin(self) -> None:
        """The run is in the store from now on; to get there may have taken a while."""
        self.submitted = self.looked = time.monotonic()

    @property
    def patience(self) -> float:
        """Seconds until the next look."""
        after = self.looks.after(self.looked - self.submitted)
        return max(self.submitted + after - time.monotonic(), 0.0)

    def story(self, tasks: Sequence[int]) -> Story:
        """How the run went, once it is over."""
        while not self.look(self.patience):
            pass
        return self.coordination.story(tasks)

    def follow(self, heed: Callable[[Event], None]) -> None:
        """The same, with an eye on each event, until all bundles are done."""
        last, done = "0-0", 0
        while done < self.parts.count:
            hearing, over = self.hearing, self.over
            news = self.coordination.news(last, self.patience, REST_SECONDS, hearing.last)
            last = news.last
            hearing.heed(news)
            for event in news.events:
                heed(event)
                done += event.what is What.FINISHED
                self.look_in_time()
            if over and not news.events:  # all had come by then: the others were deleted
                raise RunDamaged(done, self.parts.count)
            self.look_in_time()

    def look_in_time(self) -> None:
        """Also between events, since the client may have much to do with each."""
        if not self.patience:
            self.over = self.look()

    def look(self, patience: float = 0.0) -> bool:
        """Whether the run is done. What it has is kept alive, what is lost goes to others."""
        self.keep()
        live_seconds = self.around.storage.live_seconds
        condition = self.coordination.sweep(self.losses.take_absent(), live_seconds, patience)
        over = self.heed(condition)
        self.looked = time.monotonic()
        return over

    def keep(self) -> None:
        """The sweep keeps the run's keys alive; what it has elsewhere in the store is much more."""
        if time.monotonic() - self.kept > KEEP_SECONDS:
            self.blobs.keep(self.coordination.references())
            if watched := self.around.watch.keep():
                self.coordination.write(watched)
            keep_modules(self.around.backend, self.around.store)
            self.kept = time.monotonic()

    def heed(self, condition: Condition) -> bool:
        if condition.status == LOST:
            raise self.losses.lost()
        if condition.status == OVER and condition.why == "failed":
            raise self.failure(condition.error)
        if condition.status == OK:
            self.losses.check(self.coordination, condition)
            self.losses.invite(condition.invitations)
        return condition.status == OVER

    def failure(self, packed: bytes) -> RunFailed:
        packed = whole(packed, self.blobs)
        told = told_of(packed)
        self.hearing.expect(told.spoke if told else None)
        error = unpack_failure(packed, self.dag, self.tasks_of)
        if isinstance(error, BundleLost):
            self.hearing.finish(self.coordination, lost=True)
            error = self.hearing.with_last_lines(error)
        return RunFailed(error, told.container, told.used) if told else RunFailed(error)

    def tasks_of(self, bundle: int) -> Ids:
        """Of one that was lost; whether it is a part is told in the store."""
        if bundle >= self.parts.count:
            for event in self.coordination.story(()).events:
                if event.what is What.SPLIT:
                    self.parts.divided(Split.unpack(event.payload))
        return self.parts.tasks_of(bundle)
