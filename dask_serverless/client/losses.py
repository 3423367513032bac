"""Containers that a run loses: what they held goes to others, and too many of them end the run."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from contextlib import suppress

from dask_serverless.backends.base import Loss
from dask_serverless.client.absence import Absence
from dask_serverless.client.surroundings import Surroundings
from dask_serverless.coordination.base import OK, Condition, Coordination, Whom
from dask_serverless.coordination.untold import Dead
from dask_serverless.errors import (
    ContainersCutOff,
    ContainersNotStarting,
    RunLost,
    ServerlessError,
    StoreError,
)
from dask_serverless.store.link import Link
from dask_serverless.worker.invitation import Invitation


class Losses:
    """Told by the backend's thread; asked by whoever waits for the run."""

    def __init__(self, around: Surroundings, invitation: Invitation) -> None:
        self.around = around
        self.invitation = invitation
        self.refusal: ServerlessError | None = None  # why the backend has given up
        self.cut_off: list[str] = []  # why containers could not reach the store
        self.unclaimed: list[str] = []  # why containers ended before they had any work
        self.absent: list[Dead] = []  # will not come; the store was not told yet
        self.absence = Absence(around.backend, invitation.run)
        self.done = 0  # bundles, at the last look
        self.heard = False  # of any
        self.link: Link | None = None  # of the backend's thread
        self.lock = threading.Lock()

    def gone(self, loss: Loss) -> None:
        """A container is gone: what it held goes to others at once."""
        self.heard = True
        self.refusal = loss.error or self.refusal
        if loss.cut_off:
            self.cut_off.append(loss.why)
        elif not loss.claimed:
            self.unclaimed.append(loss.told)
            if not loss.container:
                self.absent.append(loss.dead)
        if loss.container:
            self.put_back(loss)

    def take_absent(self) -> Sequence[Dead]:
        """For a look, which asks for others in their place."""
        absent, self.absent = self.absent, []
        return absent

    def put_back(self, loss: Loss) -> None:
        run, epoch = self.invitation.run, self.invitation.epoch
        with self.lock, suppress(StoreError):
            self.link = self.link or self.around.side()
            coordination = self.around.coordination(self.link, run, epoch)
            condition = coordination.sweep(
                [loss.dead], self.around.storage.live_seconds, outgrown=loss.outgrown
            )
            try:
                if condition.status == OK:
                    self.invite(condition.invitations)
            except ServerlessError as error:  # raised by whoever waits
                self.refusal = error

    def invite(self, whom: Sequence[Whom]) -> None:
        for each in whom:
            self.around.backend.invoke(self.invitation.to(each, time.time()))

    def check(self, coordination: Coordination, condition: Condition) -> None:
        """Bundles count the containers that are lost with them; these had none yet."""
        if self.refusal is not None:
            raise self.refusal
        if self.cut_off:
            coordination.probe()  # a full store takes nothing from containers either
        if len(self.cut_off) >= self.around.attempts:
            raise ContainersCutOff(self.cut_off[-1])
        if condition.working or condition.done > self.done:  # then others do come
            self.done = condition.done
            self.unclaimed.clear()
        if len(self.unclaimed) >= self.around.attempts:
            raise ContainersNotStarting("", self.unclaimed[-1])
        self.absence.look(condition)

    def lost(self) -> ServerlessError:
        """Why the store does not know the run any more."""
        return self.around.backend.outage() or RunLost(self.invitation.run)

    def close(self) -> None:
        if self.link is not None:
            self.link.close()
