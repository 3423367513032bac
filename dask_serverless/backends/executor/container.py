"""A container on an executor: one call that answers invitations until there have been none for long."""

from __future__ import annotations

import os
import secrets
import time
from contextlib import suppress
from dataclasses import replace

from dask_serverless.backends.container import Kept
from dask_serverless.backends.executor.modules import ADOPTED
from dask_serverless.backends.executor.orders import heeding
from dask_serverless.backends.executor.pool import Pool, PoolOver
from dask_serverless.backends.executor.site import page_at
from dask_serverless.backends.executor.threads import ShellAtHome, ThreadInterruption
from dask_serverless.backends.executor.ticket import Ended, Ticket
from dask_serverless.backends.pages import Page
from dask_serverless.backends.saying import Mouth
from dask_serverless.blobs import files
from dask_serverless.blobs.lock import Locks, StoreLock
from dask_serverless.errors import NotAuthentic, StoreError
from dask_serverless.store.connect import open_link
from dask_serverless.worker import inside
from dask_serverless.worker.access import access_with
from dask_serverless.worker.connections import StoreConnections
from dask_serverless.worker.invitation import Invitation
from dask_serverless.worker.means import Means
from dask_serverless.worker.shell import Shell
from dask_serverless.worker.usage import ProcessMemory, Usage

homes: dict[str, int] = {}  # pools whose client is this very process, by its id: forks are others


def serve(ticket: Ticket) -> Ended:
    """What is submitted."""
    try:
        if not wanted(ticket):
            return Ended()
        with page_at(ticket.lease_seconds) as (site, number, page):
            site.interruptions[number] = interruption = ThreadInterruption()
            with inside.a_container():
                mouth = Mouth(site.saying.writing, alone=False)
                container = Container(ticket, page, interruption, mouth)
                with heeding(ticket, container):
                    return container.live()
    except PoolOver:
        return Ended()
    except StoreError as error:
        return Ended(str(error), cut_off=True)
    except NotAuthentic as error:  # an invitation, or the client's own modules
        return Ended(str(error))


def wanted(ticket: Ticket) -> bool:
    """Where it waited in a queue until others had done all, its place there is somebody else's."""
    with open_link(ticket.store) as link:
        return Pool(link, ticket.pool).wanted(ticket.call)


class Container:
    def __init__(
        self, ticket: Ticket, page: Page, interruption: ThreadInterruption, mouth: Mouth
    ) -> None:
        self.ticket = ticket
        self.page = page
        self.connections = StoreConnections(open_link, access_with(ticket.secret))
        link = self.connections.link(ticket.store)
        self.pool = Pool(link, ticket.pool, self.connections.access.secret)
        self.name = self.pool.join(ticket.call, secrets.token_hex(4))
        self.trouble = ""
        self.run = ""  # that it works on
        self.seen = ""  # the last one that was there
        self.interruption = interruption
        means = Means(
            self.name,
            self.connections,
            invite=self.invite,
            complain=self.complain,
            holding=KeptInThread(self.name, page),
            interruption=interruption,
            mouth=mouth,
            usage=Usage(ProcessMemory(), time.thread_time),  # others may share the process
        )
        self.at_home = homes.get(ticket.pool) == os.getpid()
        self.shell = ShellAtHome(means) if self.at_home else Shell(means)

    def live(self) -> Ended:
        """Until nobody has invited it for long, or the store cannot be used from here."""
        since = time.monotonic()
        try:
            while not self.trouble:
                left = since + self.ticket.idle_seconds - time.monotonic()
                if left <= 0 and self.pool.leave(self.name):
                    return Ended()
                if (invitation := self.next(max(0.01, left))) is not None:
                    self.work(invitation)
                    since = time.monotonic()
        finally:
            self.connections.close()
            files.let_go()
            StoreLock.of_thread.locks = None
        return Ended(self.trouble, cut_off=True)

    def next(self, seconds: float) -> Invitation | None:
        ticket = self.ticket
        return self.pool.next(self.name, min(seconds, ticket.pulse_seconds), ticket.store)

    def work(self, invitation: Invitation) -> None:
        if invitation.own and not self.at_home:
            ADOPTED.adopt(self.pool.link, invitation.own, self.connections.access.secret)
        self.run = invitation.run
        if self.run == self.seen:  # it is over, or there, but not to come
            invitation = replace(invitation, early=False)
        self.page.own(os.getpid(), True)
        try:
            if self.shell.work(invitation):
                self.seen = self.run
        finally:
            self.run = ""
            self.page.own(os.getpid(), False)
            self.page.order(False)

    def stop(self, run: str) -> None:
        if self.run and run in ("", self.run):
            self.interruption.ask("")

    def make_way(self, run: str) -> None:
        if self.run not in ("", run):
            self.page.order(True)

    def invite(self, invitation: Invitation) -> None:
        with suppress(PoolOver, StoreError):  # the sweep invites again
            self.pool.invite(invitation, 1, self.ticket.containers, by_container=True)

    def complain(self, invitation: Invitation, why: str) -> None:
        self.trouble = why


class KeptInThread(Kept):
    """Locks that tasks take are this container's, whatever other threads of the process hold."""

    def adopt(self, locks: Locks) -> None:
        StoreLock.of_thread.locks = locks
