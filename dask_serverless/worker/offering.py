"""Offering: a container that has too much to do asks the store who else could have some of it."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from dask_serverless.coordination.base import OK, Assignment, Division, Room
from dask_serverless.worker.again import nowhere, references
from dask_serverless.worker.attempt import Attempt
from dask_serverless.worker.bundle import BundleSpec
from dask_serverless.worker.interruption import Interrupt
from dask_serverless.worker.invitation import Invitation
from dask_serverless.worker.known_run import KnownRun
from dask_serverless.worker.means import Means
from dask_serverless.worker.parting import Parting


@dataclass(frozen=True)
class Offering:
    """During one attempt, between two of its tasks."""

    means: Means
    invitation: Invitation
    run: KnownRun
    attempt: Attempt

    def parted(self, spec: BundleSpec, assignment: Assignment) -> tuple[BundleSpec, Parting | None]:
        """The bundle piece by piece, if it has several, and others could have their inputs, too."""
        if spec.whole is not None:
            self.run.witness.part_of(spec.whole)
        if spec.limit is None or nowhere(references(spec, assignment)):
            return spec, None
        parting = Parting(spec, assignment.bundle, spec.limit, self.split)
        if len(parting.pieces) < 2:
            return spec, None
        return replace(spec, program=parting.program), parting

    def split(self, division: Division | None) -> Room:
        """Nobody interrupts a call to the store: its connection would be of no use after that."""
        interruption, attempt = self.means.interruption, self.attempt
        interruption.claim = ""
        split = self.run.coordination.split
        room = split(self.means.container, attempt.bundle, attempt.claim, division)
        if room.status != OK:  # the run is over, or somebody else has the bundle
            raise Interrupt
        for whom in room.invitations:
            self.means.invite(self.invitation.to(whom, time.time()))
        interruption.claim = attempt.claim
        return room
