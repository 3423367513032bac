"""Asking: how a container comes by a bundle of the run that it was invited to."""

from __future__ import annotations

from dask_serverless.coordination.base import LOST, Answer
from dask_serverless.worker import machine as m
from dask_serverless.worker.interruption import Interrupt
from dask_serverless.worker.invitation import Invitation
from dask_serverless.worker.known_run import KnownRun
from dask_serverless.worker.means import Means
from dask_serverless.worker.shelf import Shelf

EARLY_SECONDS = 2.0  # a client that takes longer to plan and encode invites again


class Asking:
    """During one stay."""

    def __init__(self, means: Means, invitation: Invitation, run: KnownRun, cold: bool) -> None:
        self.means = means
        self.invitation = invitation
        self.run = run
        self.cold = cold  # whether the container was born for this
        self.too_early = False  # whether it left a run that is still being planned, for another

    def claim(self, instruction: m.Claim) -> Answer:
        early = self.invitation.early and instruction.invited
        return self.await_run(instruction) if early else self.ask(instruction)

    def ask(self, instruction: m.Claim, early_seconds: float = 0.0) -> Answer:
        return self.run.coordination.claim(
            self.means.container,
            instruction.claim,
            slot=instruction.slot,
            invited=instruction.invited,
            cold=self.cold,
            header=self.run.header is None,
            early_seconds=early_seconds,
            memory_mb=self.means.memory_mb,
            wanted_mb=self.invitation.memory_mb,
        )

    def await_run(self, instruction: m.Claim) -> Answer:
        """The run is still being planned: wait for it, unless somebody else has work."""
        interruption = self.means.interruption
        try:
            interruption.waiting = True
            if not self.means.holding.others_wait:
                return self.ask(instruction, EARLY_SECONDS)
        except Interrupt:
            pass  # perhaps too late: the claim may have been answered, and is then asked again
        finally:
            interruption.waiting = False
        answer = self.ask(instruction)
        self.too_early = answer.status == LOST
        return answer

    def hold(self, answer: Answer, claim: str, shelf: Shelf) -> None:
        """From now on, and not only when functions are here: imports may outlast a lease."""
        assignment = answer.assignment
        if assignment is not None and assignment.refused is None:
            bundle = assignment.bundle
        elif answer.held and assignment is None:
            bundle = answer.held[0]
            claim = shelf.held[bundle].attempt.claim
        else:
            self.means.holding.drop()
            return
        assert self.run.header is not None
        lease_seconds = self.run.header.lease_seconds
        self.means.holding.hold(self.invitation, bundle, claim, lease_seconds)
