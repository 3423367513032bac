"""Shell: a container's side of the world, whoever invites it."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Iterator
from functools import partial

from dask_serverless.blobs import files
from dask_serverless.errors import StoreError
from dask_serverless.worker.invitation import Invitation
from dask_serverless.worker.known_run import KnownRun
from dask_serverless.worker.means import Means
from dask_serverless.worker.stay import Stay

RUNS_KNOWN = 4  # a container that comes back to a run need not fetch its functions again


class Shell:
    """Goes from run to run."""

    def __init__(self, means: Means) -> None:
        self.means = means
        self.runs: OrderedDict[str, KnownRun] = OrderedDict()
        self.claims = tokens(means.container)
        self.cold = True  # until it leaves for the first time
        files.keep()

    def work(self, invitation: Invitation) -> bool:
        """Work on a run until nothing is left to do for this container.

        False if the run had not begun, and another one needed the container.
        """
        if invitation.warm_in is not None:
            return True  # to be here was all that was asked
        try:
            run = self.runs.get(invitation.run) or self.new(invitation)
        except StoreError as error:  # the first look at a store that cannot be reached from here
            self.means.complain(invitation, str(error))
            return True
        stay = Stay(self.means, invitation, run, self.claims, self.cold)
        stay.live()
        self.cold = False
        if files.close():  # functions may hold open files: they are fetched again
            self.forget()
        return not stay.asking.too_early

    def new(self, invitation: Invitation) -> KnownRun:
        coordination = self.means.connections.coordination(invitation)
        run = KnownRun(coordination, partial(self.means.voice, invitation))
        self.runs[invitation.run] = run
        if len(self.runs) > RUNS_KNOWN:
            self.runs.popitem(last=False)[1].forget()
        return run

    def forget(self) -> None:
        """Let go of runs: their functions may hold a lot."""
        while self.runs:
            self.runs.popitem()[1].forget()


def tokens(container: str) -> Iterator[str]:
    count = 0
    salt = os.urandom(6).hex()
    while True:
        count += 1
        yield f"{container}.{salt}.{count}"
