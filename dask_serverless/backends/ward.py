"""A container as the nursery sees it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import NamedTuple

from dask_serverless.backends.container import STOP
from dask_serverless.backends.editions import Edition
from dask_serverless.backends.lines import Lines
from dask_serverless.backends.messages import Gone, Work
from dask_serverless.backends.overheard import Overheard
from dask_serverless.backends.pages import Page
from dask_serverless.backends.processes import kill
from dask_serverless.backends.words import Words
from dask_serverless.worker.invitation import Invitation

WAITS_EARLY = "early"  # in the place of a claim: no bundle's work is to be stopped


class End(NamedTuple):
    """How a container's process ended."""

    why: str
    out_of_memory: bool  # the kernel, or whoever weighs it, took it for that
    cpu_seconds: float  # of its whole life
    peak_bytes: int  # of memory


@dataclass
class Ward:
    name: str
    pid: int
    lines: Lines
    number: int  # of its page
    page: Page
    words: Words
    edition: Edition  # of the client's own modules
    invitation: Invitation | None = None  # what it works on; None while idle
    since: float = field(default_factory=time.monotonic)  # when it began that, or became idle
    claims: int = 0  # that it had been given before
    kills: int = 0  # for want of memory, that there were before it was sent to work
    early: bool = False  # whether it may be waiting for a run that is still being planned
    wanted: bool = False  # whether it was told that others wait
    overheard: Overheard | None = None  # once somebody listened to a run of its
    kill_at: float = 0.0
    lost: str | None = None  # to be killed only if it still works under this claim
    why: str = ""  # the nursery's own reason to kill it
    outgrown: bool = False  # whether that was want of memory
    deaf: bool = False  # its end of the connection is closed
    leaving: bool = False

    @property
    def run(self) -> str:
        return self.invitation.run if self.invitation else ""

    @property
    def idle(self) -> bool:
        return self.invitation is None and not self.leaving and not self.deaf

    @property
    def claimed(self) -> bool:
        """Whether it was given a bundle since it was sent to work."""
        return self.page.claims_so_far > self.claims

    def work(self, invitation: Invitation) -> None:
        self.invitation = invitation
        self.since = time.monotonic()
        self.claims = self.page.claims_so_far
        self.early = invitation.early
        self.page.own(self.pid, True)
        self.lines.send(Work(invitation))

    def rest(self) -> None:
        self.invitation = None
        self.since = time.monotonic()
        self.early = False
        self.kill_at, self.lost, self.why = 0.0, None, ""
        self.page.own(self.pid, False)
        self.call(False)

    def call(self, wanted: bool) -> None:
        """Tell it that others wait, for when it has finished its bundle, or that they do not."""
        if wanted != self.wanted:
            self.wanted = wanted
            self.page.order(wanted)

    def call_away(self) -> None:
        """It waits for a run that is still being planned."""
        self.early = False
        self.page.order(True, WAITS_EARLY)
        kill(self.pid, STOP)

    def stop(self, why: str, grace_seconds: float, claim: str | None = None) -> None:
        """Interrupt what it runs (for this claim only, if one is named), by force in the end.

        To be called away as well would take the place of this order before it is read.
        """
        self.early = False
        self.page.order(self.wanted, claim or "")
        self.lost = claim
        self.why = why
        self.kill_at = time.monotonic() + grace_seconds
        kill(self.pid, STOP)

    def spared(self) -> bool:
        """Whether it has meanwhile stopped what it was to be killed for."""
        return self.lost is not None and self.page.held().claim != self.lost

    def gone(self, end: End) -> Gone:
        words = self.words.last_lines()
        larger = end.out_of_memory or self.outgrown
        cpu_seconds = max(0.0, end.cpu_seconds - self.page.cpu_seconds_told)
        return Gone(
            self.run, self.name, self.why or end.why, self.claimed, words, larger, cpu_seconds,
            end.peak_bytes,
        )  # fmt: skip
