"""A translated graph on containers: invite, plan, encode, submit, wait, collect, clean up."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from dask_serverless.blobs.base import Command
from dask_serverless.client.accounting import uses_of
from dask_serverless.client.callbacks import Observers
from dask_serverless.client.ending import Ending
from dask_serverless.client.evidence import Evidence, Transfers, asked_ahead, kind_of
from dask_serverless.client.failed import RunFailed
from dask_serverless.client.hearing import DEAF, Hearing
from dask_serverless.client.home import AtHome
from dask_serverless.client.listener import Listener
from dask_serverless.client.lookout import Lookout
from dask_serverless.client.looks import Looks
from dask_serverless.client.losses import Losses
from dask_serverless.client.onlookers import onlookers
from dask_serverless.client.pacing import in_store
from dask_serverless.client.pause import CollectorPaused
from dask_serverless.client.planning import Planned
from dask_serverless.client.report import RunReport
from dask_serverless.client.results import Results
from dask_serverless.client.surroundings import Surroundings
from dask_serverless.client.watch import Left
from dask_serverless.coordination.base import Story, Submission, What
from dask_serverless.errors import RunLost, ServerlessError, StoreError
from dask_serverless.history.gathering import Gathering, place_called
from dask_serverless.translation.asked import containers_for
from dask_serverless.translation.encode import Encoded, encode_run
from dask_serverless.translation.translate import Translation
from dask_serverless.worker.environment import packages
from dask_serverless.worker.header import Header
from dask_serverless.worker.invitation import Invitation
from dask_serverless.worker.paths import searched, working_folder
from planners.plans.bundles import Bundles, bundles_of

MANY_TASKS = 1000  # to collect what they left takes longer than a round trip
PATIENT_SECONDS = 1.5  # containers wait somewhat longer for a run that is being planned


class Distribution:
    """The part of a run that leaves the client."""

    def __init__(
        self,
        around: Surroundings,
        translation: Translation,
        wanted: Sequence[int],  # tasks
        home: AtHome | None,
        observers: Observers,
        report: RunReport,
        pause: CollectorPaused,
    ) -> None:
        self.around = around
        self.translation = translation
        self.wanted = wanted
        self.home = home
        self.observers = observers
        self.report = report
        self.pause = pause
        self.sizes_mb = around.planning.sizes_mb
        self.invitation = Invitation(
            report.run, secrets.token_hex(4), around.store, early=True, asked=time.time(),
            memory_mb=min(self.sizes_mb, default=0), largest_mb=max(self.sizes_mb, default=0),
        )  # fmt: skip
        self.coordination = around.coordination(around.link, report.run, self.invitation.epoch)
        self.blobs = around.blobs(around.link, report.run, self.invitation.epoch)
        self.results = Results(self.coordination, self.blobs, translation.dag)
        self.losses = Losses(around, self.invitation)
        self.hearing = Hearing(around.show, translation) if around.show is not None else DEAF
        self.gathering: Gathering | None = None
        # Callbacks that look at values would be shown that of a copy, which nobody stores.
        planning = around.planning
        self.planning = planning.without("task_dup") if observers.values else planning

    def values(self) -> dict[int, Any]:
        """Run the tasks; what the wanted ones gave."""
        ending = Ending(self.around, self.invitation.run, self.invitation.epoch)
        try:
            try:
                return self.carried_out(ending)
            finally:
                waited = self.report.phases["wait"] > self.around.lease_seconds
                self.hearing.finish(self.coordination)
                self.report.dropped_lines = self.hearing.dropped
                lost = waited or self.losses.heard
                self.around.watch.ending(Left(self.report.run, lost, self.hearing.listens))
                ending.carry_out(self.coordination, self.blobs)
                self.losses.close()
                self.report.client_calls = self.coordination.calls
        except BaseException as error:
            if not isinstance(error, Exception):
                ending.hand_over()
            raise

    def carried_out(self, ending: Ending) -> dict[int, Any]:
        report, translation = self.report, self.translation
        self.around.backend.watch(self.invitation.run, self.losses.gone)
        most = self.most_at_first()
        invited = 0 if self.planning.sparing else self.invite_early(most)
        with report.phase("plan"):
            planned = self.planning.plan(translation)
            report.plan = plan = planned.plan
            if self.planning.sparing:
                self.invitation = replace(self.invitation, asked=time.time())
                invited = self.invite_early(containers_for(plan, most))
            report.evidence = Evidence.wanted_by(plan, translation) if plan.annotations else None
            if self.around.history is not None and planned.teaches:
                self.gathering = Gathering(self.sizes_mb, asked_ahead(plan.annotations))
            report.transfers, report.place = Transfers(), place_called(self.blobs.large.tag)
            report.prices = self.planning.prices
            report.foreseen = self.planning.foreseen(planned)
            for onlooker in onlookers:
                onlooker(report.foreseen())
            bundles = bundles_of(translation.dag, plan)
        report.sizes_mb = self.sizes_mb
        report.tasks, report.bundles = translation.dag.tasks, bundles.count
        with report.phase("encode"):
            encoded = encode_run(
                translation, plan, bundles, self.blobs, report.run, self.sizes_mb, planned.limits
            )
        self.invite_again(invited)
        for containers, seconds, memory_mb in encoded.starts:
            self.around.backend.invoke(self.invitation.to_be_warm(seconds, memory_mb), containers)
        with report.phase("submit"):
            submission = self.submission(encoded, planned, invited)
            shown = self.around.watch.begun(report, translation.dag, self.around.containers)
        with report.phase("wait"):
            ending.submitted = True
            listening = self.hearing.begun(report.run)
            self.wait_if_any_can(submission, [*listening, *shown, *encoded.commands], bundles)
        ending.over = True
        self.teach(planned, bundles)
        with report.phase("collect"):
            return dict(zip(self.wanted, self.results.values(self.wanted), strict=True))

    def most_at_first(self) -> int:
        roots = int(np.count_nonzero(self.translation.dag.input_counts == 0))
        return min(self.around.containers, roots)

    def invite_early(self, count: int) -> int:
        """Containers come up (or wake up) while the client still plans and encodes: so many."""
        self.around.backend.invoke(self.invitation, count)
        return count

    def invite_again(self, count: int) -> None:
        """Containers that came while a large graph was planned have waited, and are gone."""
        if time.time() - self.invitation.asked > PATIENT_SECONDS:
            self.around.backend.invoke(replace(self.invitation, asked=time.time()), count)

    def submission(self, encoded: Encoded, planned: Planned, invited: int) -> Submission:
        around = self.around
        header = Header(
            functions=encoded.functions,
            storage=around.storage,
            lease_seconds=around.lease_seconds,
            observe=self.observers.times,
            progress=self.observers.times and not self.observers.values,
            local_outputs="local_outputs" in self.planning.optimizations,
            delayed_io="delayed_io" in self.planning.optimizations,
            measure=self.gathering is not None or self.report.evidence is not None,
            kinds=int(np.count_nonzero(np.bincount(planned.dag.functions))),
            rhythm=around.watch.rhythm,
            listens=self.hearing.listens,
            folder=working_folder() if around.backend.same_host else "",
            path=searched() if around.backend.same_host else (),
            packages={} if around.backend.same_host else packages(),
        )
        return Submission(
            epoch=self.invitation.epoch,
            bundles=len(encoded.specs),
            containers=around.containers,
            lease_ms=int(around.lease_seconds * 1000),
            attempts=around.attempts,
            live_seconds=around.storage.live_seconds,
            header=header.pack(),
            specs=encoded.specs,
            blobs=encoded.blobs,
            ready=encoded.ready,
            slotted=encoded.slotted,
            spread=encoded.spread,
            due=planned.due,
            sizes=self.sizes_mb,
            pace=in_store(planned.pace, self.sizes_mb),
            invited=invited,
            answer_ms=int(around.backend.answer_seconds * 1000),
        )

    def wait_if_any_can(
        self, submission: Submission, before: Sequence[Command], bundles: Bundles
    ) -> None:
        """Where the backend has given up, or was closed, that is why the store or the run is gone."""
        try:
            self.wait(submission, before, bundles)
        except (StoreError, RunLost) as error:
            if self.losses.refusal is not None:
                raise self.losses.refusal from error
            raise

    def wait(self, submission: Submission, before: Sequence[Command], bundles: Bundles) -> None:
        """Until every bundle is done."""
        lookout = Lookout(
            self.around, self.coordination, self.blobs, self.losses, self.hearing,
            self.translation.dag, bundles, Looks(submission.due),
        )  # fmt: skip
        listener = Listener(
            lookout, self.results, self.home, self.observers, self.report, self.gathering,
            self.around.result_limit,
        )  # fmt: skip
        try:
            self.attend(submission, before, lookout, listener)
        except RunFailed as failed:
            if not listener.ended:
                with suppress(StoreError):  # the failure is what counts
                    listener.account(self.coordination.story(()).events)
            if failed.used is not None:
                self.report.took(failed.container, failed.used)
            raise
        except StoreError:
            raise
        except (KeyboardInterrupt, SystemExit, ServerlessError):  # the store knows of no end
            with suppress(StoreError):
                self.coordination.interrupt()
                listener.account(self.coordination.story(()).events)
            raise

    def attend(
        self,
        submission: Submission,
        before: Sequence[Command],
        lookout: Lookout,
        listener: Listener,
    ) -> None:
        """With an eye on each event where somebody waits for it."""
        if self.observers.times or self.home is not None or self.hearing.listens:
            self.coordination.submit(submission, before)
            lookout.begin()
            self.pause.end()
            self.around.watch.submitted()
            lookout.follow(listener.heed)
            listener.end()
            return
        story = self.story(submission, before, lookout)
        for event in story.events:
            listener.heed(event)
        if story.outputs:
            self.results.told(dict(zip(self.wanted, story.outputs, strict=True)))

    def story(self, submission: Submission, before: Sequence[Command], lookout: Lookout) -> Story:
        """Of a run whose end is all that matters."""
        if self.translation.dag.tasks > MANY_TASKS:
            self.coordination.submit(submission, before)
            lookout.begin()
            self.pause.end()  # what it left undone is done while containers work
            self.around.watch.submitted()
            return lookout.story(self.wanted)
        self.pause.end()
        story = self.coordination.submit(submission, before, lookout.patience, self.wanted)
        if story is None:
            return lookout.story(self.wanted)
        if self.losses.heard or story.events[-1].what is What.FAILED:
            # The last event of a single bundle does not tell what containers took before.
            return self.coordination.story(self.wanted)
        return story

    def teach(self, planned: Planned, bundles: Bundles) -> None:
        """What containers have measured is there for the next plan, and what came of this one."""
        planning, report = self.planning, self.report
        planning.warmth.heard(report.containers.keys() - report.lost)
        if self.gathering is None or planning.history is None:
            planned.passed(report.makespan_seconds)
            return
        followed = planned.came(report.makespan_seconds, report.paid_gb_seconds)
        if planned.known is not None:
            planning.history.plans.follow(planned.known, followed)
        tasks = bundles.task_offsets[1:] - bundles.task_offsets[:-1]
        uses = [use for container in report.containers.values() for use in uses_of(container)]
        translation = self.translation
        planning.history.record(
            self.gathering.of(
                translation.functions, tasks, followed, uses, partial(kind_of, translation)
            )
        )
