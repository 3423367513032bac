"""Telling: what others and the client hear of a bundle."""

from __future__ import annotations

from contextlib import suppress

from dask_serverless.coordination.base import Report
from dask_serverless.errors import StoreError
from dask_serverless.worker.attempt import Attempt
from dask_serverless.worker.known_run import KnownRun
from dask_serverless.worker.means import Means
from dask_serverless.worker.outputs import Outputs
from dask_serverless.worker.told import Finished, Measured, Progress, Times
from dask_serverless.worker.work import Work


class Telling:
    """During one stay."""

    def __init__(self, means: Means, run: KnownRun, cold: bool) -> None:
        self.means = means
        self.run = run
        self.cold = cold  # whether the container was born for this

    def progress(self, attempt: Attempt, times: Times) -> None:
        """Progress, for whoever watches."""
        bundle, claim = attempt.bundle, attempt.claim
        progress = Progress(bundle, self.means.container, times).pack()
        with suppress(StoreError):  # the next call meets it, too
            self.run.coordination.tell(bundle, claim, progress)

    def report(self, work: Work, outputs: Outputs) -> Report:
        spec, attempt, handover = work.spec, work.attempt, work.handover
        held = work.told is not None  # back, by a call before: whoever watches knows of it
        told = self.finished(work, outputs)
        shown = b"" if held else self.run.witness.finished(told, outputs)
        report = Report(
            attempt.bundle, attempt.claim, outputs.announced, spec.children, spec.releases,
            told.pack(), shown=shown,
        )  # fmt: skip
        return report if handover is None else handover.told(report)

    def finished(self, work: Work, outputs: Outputs) -> Finished:
        """What the client is told of the bundle."""
        if work.told is not None:  # it was held back
            return work.told_more(outputs)
        spec, bundle = work.spec, work.attempt.bundle
        work.told = Finished(
            bundle if spec.whole is None else spec.whole, self.means.container, work.attempt.started,
            fetching=work.fetching, running=work.running, storing=work.storing,
            calls=self.run.calls_to_tell(), stored_bytes=outputs.nbytes,
            kept_bytes=work.kept_bytes, wanted_bytes=outputs.wanted_bytes,
            cold=self.cold, times=work.timer.times,
            outputs=outputs.wanted_within(work.settled.blobs.inline_bytes),
            measured=self.measured(work),
            saved_seconds=self.run.saved_to_tell(),
            retries=work.retries,
            spoke=self.run.voice.told(),
            used=self.means.usage.to_tell(),
            streamed_seconds=self.run.streamed_to_tell(),
            part=None if spec.whole is None else spec.tasks,
        )  # fmt: skip
        return work.told

    def measured(self, work: Work) -> Measured | None:
        """What there is to tell beside the bundle's own times, if anybody wants to know."""
        if not work.settled.header.measure:
            return None
        packed = work.packing.to_tell(work.fetching + work.running + work.storing)
        return self.run.meter.report(*packed)
