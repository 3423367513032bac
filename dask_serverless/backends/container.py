"""A container of this host, from the fork on: waits for invitations and works on them."""

from __future__ import annotations

import ctypes
import os
import random
import signal
import sys
import threading
from contextlib import suppress
from types import FrameType

from dask_serverless.backends.lines import Lines
from dask_serverless.blobs.lock import StoreLock
from dask_serverless.store.connect import open_link
from dask_serverless.worker.connections import StoreConnections
from dask_serverless.worker.heartbeat import Heartbeat
from dask_serverless.worker.invitation import Invitation
from dask_serverless.worker.shell import Interrupt, Shell

QUIET_SECONDS = 1.0  # without work, until memory is given back
STOP = signal.SIGUSR1  # stop what runs just now


def serve(name: str, nursery: Lines) -> None:
    """Live until the nursery closes the connection or asks to leave."""
    settle()
    container = Container(name, nursery)
    for message in nursery.until_quiet(QUIET_SECONDS, container.rest):
        if message["do"] == "leave":
            break
        container.work(Invitation(**message["invitation"]))
        nursery.send({"is": "idle"})


class Container:
    def __init__(self, name: str, nursery: Lines) -> None:
        self.nursery = nursery
        self.connections = connections = StoreConnections(open_link)
        self.shell = Shell(
            name,
            connections,
            invite=self.invite,
            complain=self.complain,
            holding=Heartbeat(name, StoreConnections(open_link), self.lost),
        )
        self.main = threading.main_thread().ident or 0
        self.target = ""  # the claim to be stopped; "" for whatever runs
        signal.signal(STOP, self.interrupt)

    def work(self, invitation: Invitation) -> None:
        StoreLock.link = self.connections.link(invitation.store)
        with suppress(Interrupt):  # it came a moment late: nothing runs any more
            self.shell.work(invitation)

    def complain(self, invitation: Invitation, why: str) -> None:
        self.nursery.send({"is": "trouble", "run": invitation.run, "why": why})

    def rest(self) -> None:
        """There is no work: let go of what made the last run fast."""
        self.shell.forget()
        trim()

    def invite(self, invitation: Invitation) -> None:
        self.nursery.send({"do": "invoke", "invitation": invitation.to_json()})

    def lost(self, claim: str) -> None:
        """The heartbeat learned that the claim no longer holds: what runs for it is in vain."""
        self.target = claim
        signal.pthread_kill(self.main, STOP)

    def interrupt(self, signum: int, frame: FrameType | None) -> None:
        target, self.target = self.target, ""
        running = self.shell.interruptible
        if running and target in ("", running):
            self.shell.interruptible = ""
            raise Interrupt


def settle() -> None:
    """What a forked process must do before it runs anybody's code."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    die_with_parent()
    with suppress(AttributeError, ValueError):  # else what tasks print is lost when we are killed
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    random.seed()  # else all containers would draw the same numbers
    if (numpy := sys.modules.get("numpy")) is not None:
        numpy.random.seed()


def trim() -> None:
    """Give freed memory back to the system (glibc): while at work, a container keeps it."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def die_with_parent() -> None:
    """Linux ends this process when the nursery dies; elsewhere the closed connection does."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        if os.getppid() == 1:
            os._exit(1)
