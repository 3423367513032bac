"""Raising: what the machine is told of an exception that ends a bundle, and what that is blamed on."""

from __future__ import annotations

from dataclasses import dataclass

from dask_serverless.errors import ResultNotPicklable, ServerlessError
from dask_serverless.worker import machine as m
from dask_serverless.worker.again import References
from dask_serverless.worker.attempt import Attempt
from dask_serverless.worker.blame import Blame, of_input
from dask_serverless.worker.bundle import BundleSpec
from dask_serverless.worker.environment import differing
from dask_serverless.worker.exceptions import in_words
from dask_serverless.worker.interruption import Interrupt
from dask_serverless.worker.invitation import Invitation
from dask_serverless.worker.known_run import KnownRun
from dask_serverless.worker.means import Means
from dask_serverless.worker.remade import note
from dask_serverless.worker.room import lacking
from dask_serverless.worker.work import Work


@dataclass(frozen=True)
class Raising:
    """Made when something has been raised: most stays need none."""

    means: Means
    invitation: Invitation
    run: KnownRun

    def event(self, attempt: Attempt, error: BaseException, blame: Blame) -> m.Event:
        if isinstance(error, Interrupt):
            return m.Interrupted()
        outgrow = self.means.outgrow
        if outgrow is not None and isinstance(error, self.means.outgrown(self.invitation)):
            outgrow(in_words(error))
        if why := lacking(error):
            note(error, why)
        spoke, used = self.run.voice.told(), self.means.usage.to_tell()
        return m.Raised(attempt.failure(error, blame, self.run.settled, spoke, used))

    def blame(self, spec: BundleSpec | None, inputs: References) -> Blame:
        """Which of a bundle's inputs and constants could not be had."""
        settled = self.run.settled
        if spec is None or settled is None:
            return Blame("fetching a bundle")
        return of_input(settled.blobs, {**inputs, **spec.pickled, **spec.hoisted}, spec.program)

    def note_versions(self, error: BaseException) -> None:
        """What the client or another container has pickled may need versions that are not here."""
        header = self.run.header
        if header is not None and (why := differing(header.packages)):
            note(error, why)


def unstorable(work: Work, error: BaseException, function: int) -> BaseException:
    """What keeps a result from being stored, by the name of the function that gave it."""
    if isinstance(error, OSError | ServerlessError):
        return error
    name = work.settled.name_of(function)
    return ResultNotPicklable(name, f"{type(error).__name__}: {error}")
