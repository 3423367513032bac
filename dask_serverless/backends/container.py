"""A container of this host, from the fork on: waits for invitations and works on them."""

from __future__ import annotations

import ctypes
import faulthandler
import os
import random
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from types import FrameType

from dask_serverless.backends.diverted import Diverted
from dask_serverless.backends.lines import Lines
from dask_serverless.backends.messages import Idle, Invite, Leave, Outgrown, Trouble, Work
from dask_serverless.backends.pages import Page, Place
from dask_serverless.backends.processes import die_with
from dask_serverless.blobs.lock import Locks, StoreLock
from dask_serverless.blobs.spares import Spares
from dask_serverless.store.connect import open_link
from dask_serverless.worker.access import Access
from dask_serverless.worker.connections import StoreConnections
from dask_serverless.worker.interruption import Interrupt
from dask_serverless.worker.invitation import Invitation
from dask_serverless.worker.means import Means
from dask_serverless.worker.shell import Shell
from dask_serverless.worker.usage import Memory, Usage
from dask_serverless.worker.voice import Mouth

QUIET_SECONDS = 1.0  # without work, until memory is given back
STOP = signal.SIGUSR1  # look at the page: something is to be stopped


@dataclass(frozen=True)
class Outfit:
    """What a nursery gives each container at its birth."""

    page: Page
    mouth: Mouth
    access: Access
    memory: Memory
    spares: Spares | None


def serve(name: str, nursery: Lines, parent: int, outfit: Outfit) -> None:
    """Live until the nursery closes the connection or asks to leave."""
    settle(parent)
    container = Container(name, nursery, outfit)
    for message in nursery.until_quiet(QUIET_SECONDS, container.rest):
        if isinstance(message, Leave):
            break
        if isinstance(message, Work):
            too_early = not container.work(message.invitation)
            nursery.send(Idle(too_early))


class Container:
    def __init__(self, name: str, nursery: Lines, outfit: Outfit) -> None:
        self.nursery = nursery
        self.page = page = outfit.page
        self.spares = outfit.spares
        means = Means(
            name,
            StoreConnections(open_link, outfit.access, outfit.spares),
            invite=self.invite,
            complain=self.complain,
            holding=Kept(name, page),
            mouth=outfit.mouth,
            past=Diverted(name, page, nursery.send),
            outgrow=self.outgrow,
            usage=Usage(outfit.memory, told=page.tell),
        )
        self.interruption = means.interruption
        self.shell = Shell(means)
        signal.signal(STOP, self.interrupt)

    def work(self, invitation: Invitation) -> bool:
        """Whether the run has begun, or need not."""
        with suppress(Interrupt):  # it came a moment late: nothing runs any more
            return self.shell.work(invitation)
        return True

    def complain(self, invitation: Invitation, why: str) -> None:
        self.nursery.send(Trouble(invitation.run, why))

    def outgrow(self, why: str) -> None:
        """Whoever has larger containers hears of this one's end as if the kernel had taken it."""
        self.nursery.send(Outgrown(why))
        while True:
            time.sleep(1.0)

    def rest(self) -> None:
        """There is no work: let go of what made the last run fast."""
        self.shell.forget()
        if self.spares is not None:
            self.spares.drop()
        trim()

    def invite(self, invitation: Invitation) -> None:
        self.nursery.send(Invite(invitation))

    def interrupt(self, signum: int, frame: FrameType | None) -> None:
        """The run was stopped, the claim is lost, or somebody else needs who waits for a run."""
        self.interruption.ask(self.page.target)


class Kept:
    """What this container holds, in its page, for the keeper."""

    def __init__(self, name: str, page: Page) -> None:
        self.name = name
        self.page = page
        self.place = Place("", "", "", name, 0.0)
        self.locks = Locks(open_link, "", 0.0, page.note_locks)

    @property
    def others_wait(self) -> bool:
        return self.page.others_wait

    def hold(self, invitation: Invitation, bundle: int, claim: str, lease_seconds: float) -> None:
        if self.place.run != invitation.run:
            self.move(invitation, lease_seconds)
        self.page.hold(self.place, bundle, claim)

    def drop(self) -> None:
        self.page.drop()

    def move(self, invitation: Invitation, lease_seconds: float) -> None:
        """To another run."""
        run, epoch, store = invitation.run, invitation.epoch, invitation.store
        self.place = Place(store, run, epoch, self.name, lease_seconds)
        if not self.locks.of(store, lease_seconds):
            self.locks = Locks(open_link, store, lease_seconds, self.page.note_locks)
        self.adopt(self.locks)

    def adopt(self, locks: Locks) -> None:
        """Tasks take their locks there, in whichever of their threads."""
        StoreLock.locks = locks

    def end_locks(self) -> None:
        if self.locks.taken:
            self.locks.end()


def settle(parent: int) -> None:
    """What a forked process must do before it runs anybody's code."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    die_with(parent)
    # A crash in C says where in the user's code it was; to the nursery, also while 2 leads elsewhere.
    faulthandler.enable(os.dup(2))
    with suppress(AttributeError, ValueError):  # else what tasks print is lost when we are killed
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    random.seed()  # else all containers would draw the same numbers
    if (numpy := sys.modules.get("numpy")) is not None:
        numpy.random.seed()


def trim() -> None:
    """Give freed memory back to the system (glibc): while at work, a container keeps it."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
