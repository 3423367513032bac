"""One run on the client's side: translate, plan, encode, submit, watch, collect, clean up."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from dask_serverless.blobs.base import LIVE_SECONDS, Command
from dask_serverless.client.callbacks import Observers
from dask_serverless.client.ending import Ending
from dask_serverless.client.failed import Failed
from dask_serverless.client.home import AtHome, HomeFailed
from dask_serverless.client.losses import Losses
from dask_serverless.client.pause import CollectorPaused
from dask_serverless.client.planning import planned
from dask_serverless.client.report import RunReport
from dask_serverless.client.results import Results
from dask_serverless.client.surroundings import Surroundings
from dask_serverless.coordination.base import (
    LOST,
    OK,
    OVER,
    Condition,
    Event,
    Story,
    Submission,
    What,
)
from dask_serverless.errors import (
    ResultTooLarge,
    RunLost,
    StoreError,
)
from dask_serverless.history.gathering import Gathering
from dask_serverless.translation.encode import Encoded, encode_run
from dask_serverless.translation.home import divided
from dask_serverless.translation.recipes import nested
from dask_serverless.translation.translate import Translation, materialise, translate
from dask_serverless.worker.failure import unpack_failure, whole
from dask_serverless.worker.header import Header
from dask_serverless.worker.invitation import Invitation
from dask_serverless.worker.paths import searched, working_folder
from dask_serverless.worker.told import Finished, Progress
from planners.plans.bundles import bundles_of

MANY_TASKS = 1000  # to collect what they left takes longer than a round trip
LOOK_SECONDS = 1.0  # how long the client relies on being told, before it looks for itself
PATIENT_SECONDS = 1.5  # containers wait somewhat longer for a run that is being planned
REST_SECONDS = 0.05  # callbacks hear of bundles in batches: one store call each is too many
KEEP_SECONDS = LIVE_SECONDS / 3  # how often what the run has outside its keys is kept alive


class Run:
    """Made for one call, used once."""

    def __init__(self, around: Surroundings, observers: Observers) -> None:
        self.around = around
        self.observers = observers
        self.id = secrets.token_hex(8)
        self.epoch = secrets.token_hex(4)
        self.coordination = around.coordinate(around.link, self.id, self.epoch)
        self.blobs = around.storage.open(around.link)
        self.invitation = Invitation(self.id, self.epoch, around.store)
        self.report = RunReport(self.id)
        self.pause = CollectorPaused()  # from the graph to its submission
        self.wanted_bytes = 0
        self.home: AtHome | None = None
        self.postponed: list[int] = []  # outputs that the client's part gets at the end
        self.gathering = Gathering() if around.history is not None else None
        self.losses = Losses(around, self.invitation)
        self.ending: Ending | None = None

    def compute(self, graph: Any, keys: Any) -> Any:
        try:
            with self.pause:
                result = self.computed(graph, keys)
        except BaseException as error:
            self.pause.end()  # again, in case that it was cut short
            if self.ending is not None and not isinstance(error, Exception):
                self.ending.hand_over()
            self.observers.finish(failed=True)
            raise
        self.observers.finish(failed=False)
        return result

    def computed(self, graph: Any, keys: Any) -> Any:
        report = self.report
        with report.phase("materialise"):
            graph = self.observers.start(materialise(graph))
        with report.phase("translate"):
            translation, home = divided(translate(graph, keys))
            self.translation = translation
        self.results = Results(self.coordination, self.blobs, translation.dag)
        self.wanted = np.flatnonzero(translation.dag.wanted).tolist()
        if home is not None:
            self.home = AtHome(home)
            self.wanted = [task for task in self.wanted if task in home.asked]
        if self.observers.values:
            translation.dag.wanted[:] = True  # callbacks are shown every task's value
        self.observers.start_state(translation)
        values: dict[int, Any] = {}
        if self.home is not None:
            self.pause.end()  # before tasks run
            self.at_home(self.home.begin)
        if translation.dag.tasks:
            values = self.distribute(translation)
        if self.home is not None:
            values.update(self.home.values)
        self.teach(translation)
        with report.phase("collect"):
            return nested(translation.keys, translation.recipes, values)

    def teach(self, translation: Translation) -> None:
        """What containers have measured is there for the next plan."""
        if self.gathering is not None and self.around.history is not None:
            self.around.history.record(self.gathering.of(translation.functions))

    def distribute(self, translation: Translation) -> dict[int, Any]:
        """Run the tasks on containers; the values that the client wants."""
        report = self.report
        self.ending = ending = Ending(self.around, self.id, self.epoch)
        try:
            early = self.invite_early(translation)
            with report.phase("plan"):
                plan = planned(translation, self.around)
                self.bundles = bundles_of(translation.dag, plan)
            report.tasks, report.bundles = translation.dag.tasks, self.bundles.count
            with report.phase("encode"):
                encoded = encode_run(translation, plan, self.bundles, self.blobs, self.id)
            self.invite_again(early)
            with report.phase("submit"):
                submission = self.submission(encoded)
            with report.phase("wait"):
                ending.submitted = True
                self.wait_if_any_can(submission, encoded.commands)
            ending.over = True
            with report.phase("collect"):
                return dict(zip(self.wanted, self.results.values(self.wanted), strict=True))
        finally:
            ending.carry_out(self.coordination, self.blobs)
            self.losses.close()
            report.client_calls = self.coordination.calls

    def invite_early(self, translation: Translation) -> tuple[Invitation, int]:
        """Containers come up (or wake up) while the client still plans and encodes."""
        around = self.around
        roots = int(np.count_nonzero(translation.dag.input_counts == 0))
        around.backend.watch(self.id, self.losses.gone)
        early = replace(self.invitation, early=True, asked=time.time())
        count = min(around.containers, roots)
        around.backend.invoke(early, count)
        return early, count

    def invite_again(self, early: tuple[Invitation, int]) -> None:
        """Containers that came while a large graph was planned have waited, and are gone."""
        invitation, count = early
        if time.time() - invitation.asked > PATIENT_SECONDS:
            self.around.backend.invoke(replace(invitation, asked=time.time()), count)

    def submission(self, encoded: Encoded) -> Submission:
        around = self.around
        header = Header(
            functions=encoded.functions,
            storage=around.storage,
            lease_seconds=around.lease_seconds,
            observe=self.observers.times,
            progress=self.observers.times and not self.observers.values,
            measure=self.gathering is not None,
            folder=working_folder() if around.backend.same_host else "",
            path=searched() if around.backend.same_host else (),
        )
        return Submission(
            epoch=self.epoch,
            bundles=len(encoded.specs),
            containers=around.containers,
            lease_ms=int(around.lease_seconds * 1000),
            attempts=around.attempts,
            live_seconds=LIVE_SECONDS,
            header=header.pack(),
            specs=encoded.specs,
            blobs=encoded.blobs,
            ready=encoded.ready,
            slotted=encoded.slotted,
        )

    def wait_if_any_can(self, submission: Submission, before: Sequence[Command]) -> None:
        """Where the backend has given up, or was closed, that is why the store or the run is gone."""
        try:
            self.wait(submission, before)
        except (StoreError, RunLost) as error:
            if self.losses.refusal is not None:
                raise self.losses.refusal from error
            raise

    def wait(self, submission: Submission, before: Sequence[Command]) -> None:
        """Until every bundle is done. To be told is a hint: the sweep is what this relies on."""
        self.kept = time.monotonic()
        if self.observers.times or self.home is not None:
            self.coordination.submit(submission, before)
            self.pause.end()
            self.follow(submission.bundles)
            return
        story = None
        patience = LOOK_SECONDS
        if self.translation.dag.tasks > MANY_TASKS:
            self.coordination.submit(submission, before)
            self.pause.end()  # what it left undone is done while containers work
        else:
            self.pause.end()
            story = self.coordination.submit(submission, before, LOOK_SECONDS, self.wanted)
            patience = 0.0
        while story is None:
            story = self.look(patience)
            patience = LOOK_SECONDS
        for event in story.events:
            self.heed(event)
        if story.outputs:
            self.results.told(dict(zip(self.wanted, story.outputs, strict=True)))

    def look(self, patience: float) -> Story | None:
        """How the run went, if it is over."""
        self.keep_blobs()
        condition = self.coordination.sweep((), LIVE_SECONDS, patience)
        return self.coordination.story(self.wanted) if self.heed_condition(condition) else None

    def keep_blobs(self) -> None:
        """The sweep keeps the run's keys alive; blobs elsewhere in the store are many more."""
        if time.monotonic() - self.kept > KEEP_SECONDS:
            self.blobs.keep(self.coordination.references())
            self.kept = time.monotonic()

    def follow(self, bundles: int) -> None:
        """The same, with an eye on each bundle, for callbacks and for what is the client's part."""
        last, done = "0-0", 0
        self.swept = time.monotonic()
        while done < bundles:
            news = self.coordination.news(last, LOOK_SECONDS, REST_SECONDS)
            last = news.last
            for event in news.events:
                self.heed(event)
                done += event.what is What.FINISHED
                self.look_again()
            self.look_again()
        if self.home is not None:
            self.bring_home(self.postponed)

    def look_again(self) -> None:
        """If it is time to: also between events, since the client may have much to write."""
        if time.monotonic() - self.swept > LOOK_SECONDS:
            self.keep_blobs()
            self.heed_condition(self.coordination.sweep((), LIVE_SECONDS))
            self.swept = time.monotonic()

    def heed(self, event: Event) -> None:
        match event.what:
            case What.FAILED:
                raise self.failure(event.payload)
            case What.PROGRESS:
                told = Progress.unpack(event.payload)
                self.observers.tasks(told.times, told.container, self.results.values)
            case What.FINISHED:
                self.finished(Finished.unpack(event.payload))

    def finished(self, told: Finished) -> None:
        self.report.bundle(told)
        if self.gathering is not None:
            self.gathering.bundle(told)
        self.results.told(told.outputs or {})
        arriving = self.arriving(told.bundle)
        if not arriving:
            self.wanted_bytes += told.wanted_bytes
        limit = None if self.observers.values else self.around.result_limit  # they get everything
        if limit is not None and self.wanted_bytes > limit:
            raise ResultTooLarge(self.wanted_bytes, limit)
        if self.observers.times:
            self.observers.tasks(told.times, told.container, self.results.values)
        if self.home is not None and self.home.afterwards:
            self.postponed += arriving
        else:
            self.bring_home(arriving)

    def arriving(self, bundle: int) -> list[int]:
        """Which outputs of a bundle the client's own part waits for."""
        if self.home is None:
            return []
        inputs = self.home.inputs
        return [task for task in self.bundles.tasks_of(bundle).tolist() if task in inputs]

    def bring_home(self, tasks: Sequence[int]) -> None:
        """Run what waited at the client for these outputs; they take room nowhere after that."""
        if self.home is None:
            return
        self.results.locate(tasks)
        for task in tasks:
            (value,) = self.results.values([task])
            self.at_home(partial(self.home.arrived, task, value))
            if task not in self.home.asked and not self.translation.dag.user_counts[task]:
                self.results.delete(task)
            self.look_again()

    def at_home(self, part: Callable[[], None]) -> None:
        try:
            part()
        except HomeFailed as failed:
            assert failed.__cause__ is not None
            raise Failed(failed.__cause__) from None

    def heed_condition(self, condition: Condition) -> bool:
        """Whether the run is done; whatever else ended it is raised."""
        if condition.status == LOST:
            raise RunLost(self.id)
        if condition.status == OVER and condition.why == "failed":
            raise self.failure(condition.error)
        if condition.status == OK:
            self.losses.check(self.coordination, condition.done)
            self.losses.invite(condition.invitations)
        return condition.status == OVER

    def failure(self, packed: bytes) -> Failed:
        return Failed(
            unpack_failure(whole(packed, self.blobs), self.translation.dag, self.bundles.tasks_of)
        )
