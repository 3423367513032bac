"""The one worker process of a container, under the same nursery that a host's containers have.

So its claims are renewed from outside its interpreter, what hangs is interrupted, a crash leaves the
container as it was, and an edited module of the client's gets a fresh process.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

from dask_serverless.backends.base import Loss
from dask_serverless.backends.cgroup_memory import group_kills, group_memory
from dask_serverless.backends.local import LocalBackend, heavy_modules
from dask_serverless.backends.messages import (
    Gone,
    Invite,
    Leave,
    Message,
    Opening,
    Others,
    Over,
    Own,
    Resting,
    Trouble,
    Unable,
    Working,
)
from dask_serverless.backends.messages import Peers as Places
from dask_serverless.backends.own_in_store import own_modules_at
from dask_serverless.backends.spawned import Born
from dask_serverless.blobs.base import LIVE_SECONDS
from dask_serverless.coordination.base import OK
from dask_serverless.errors import ServerlessError, StoreError
from dask_serverless.store.connect import open_link
from dask_serverless.worker.access import Access
from dask_serverless.worker.connections import StoreConnections
from dask_serverless.worker.invitation import Invitation
from worker_container.settings import ContainerSettings

CLEAN_UP_SECONDS = 2.0


@dataclass
class Visit:
    """What came of one invitation."""

    invitation: Invitation
    told: list[Message] = field(default_factory=list)
    kills: int = field(default_factory=group_kills)  # for want of memory, before it
    over: threading.Event = field(default_factory=threading.Event)


class Inviting(Protocol):
    """Who asks for other containers of the pool."""

    def know(self, told: Places) -> None:
        """Where they are."""

    def invite(self, invitation: Invitation) -> None:
        """One of them is to work on a run."""


class Occupant(LocalBackend):
    """Takes one invitation at a time; ``tell`` hears of all that goes on."""

    def __init__(
        self,
        settings: ContainerSettings,
        tell: Callable[[Message], object],
        peers: Inviting,
        owned: bool = False,
        newborn: Born | None = None,
    ) -> None:
        super().__init__(
            1,
            idle_seconds=settings.idle_seconds,
            lease_seconds=settings.lease_seconds,
            attempts=settings.attempts,
            secret=settings.signing,
        )
        self.settings = settings
        self.owned = owned  # by a client: its end is that of its runs
        self.newborn = newborn  # the first nursery's process, if it is there already
        self.tell_owner = tell
        self.peers = peers
        self.taking = threading.Lock()  # not the one that is held while the nursery is spoken to
        self.visit: Visit | None = None
        self.leaving = False
        self.called_away = False  # its owner knows better whom to send to the run
        self.own = ""  # which of the clients' own modules the nursery was told of
        self.working = ""  # the name of the process that works, as the store knows it
        access = Access(settings.signing)
        self.connections = StoreConnections(open_link, access)  # of the thread that listens

    @property
    def state(self) -> str:
        if self.leaving:
            return "leaving"
        return "working" if self.visit else "resting"

    def born(self) -> Born:
        newborn, self.newborn = self.newborn, None
        return newborn or super().born()

    def opening(self) -> Opening:
        self.own = ""
        modules = [*self.settings.modules, *heavy_modules()]
        return replace(
            super().opening(),
            name=self.settings.name,
            modules=modules,
            own={},
            pooled=True,
            owned=self.owned,
            memory_mb=self.settings.memory_mb,
        )

    def take(self, invitation: Invitation) -> Visit | None:
        """It is to ``begin`` next; None while there is other work, or when this container is to end."""
        with self.taking:
            if self.visit is not None or self.leaving:
                return None
            self.visit = Visit(invitation)
            self.called_away = False
            return self.visit

    def begin(self, visit: Visit) -> None:
        """May take long: the nursery reads what it is sent when it has imported the libraries."""
        invitation = visit.invitation
        try:
            self.start()
            self.take_on_modules(invitation)
            self.invoke(invitation)
        except ServerlessError as error:
            cut_off = isinstance(error, StoreError)
            told = Trouble if cut_off else Unable
            self.heed(told(invitation.run, str(error)))
            self.heed(Resting())

    def await_end(self, visit: Visit) -> None:
        """Until it has left the run: in time before the platform ends the request, others go on."""
        settings = self.settings
        limit = settings.request_seconds - settings.grace_seconds
        if settings.request_seconds and not visit.over.wait(max(0.1, limit)):
            self.hand_over(visit, None)
        visit.over.wait()

    def hand_over(self, visit: Visit, seconds: float | None) -> bool:
        """It finishes its bundle, and others go on with the run; whether it has left in time."""
        self._send(Others(True))
        left = visit.over.wait(seconds)
        self._send(Others(False))
        return left

    def end(self, visit: Visit, why: str) -> None:
        """By force: what it holds goes to others, and the next invitation starts anew."""
        self._send(Leave(why))
        visit.over.wait(CLEAN_UP_SECONDS)
        super().close()
        self.rest()

    def tell_own_modules(self) -> None:
        """This process has none: they come with invitations."""

    def take_on_modules(self, invitation: Invitation) -> None:
        if not invitation.own or invitation.own == self.own:
            return
        with open_link(invitation.store) as link:
            told = own_modules_at(link, invitation.own, self.secret)
        if told is not None:  # else the client is gone, and nobody waits for the run
            self.own = invitation.own
            self._send(Own(told, ()))

    def pass_on(self, message: Message) -> None:
        """From the owner to the nursery."""
        match message:
            case Places():
                self.peers.know(message)
                return
            case Others():
                self.called_away = message.wait
        self._send(message)

    def invite_others(self, invitation: Invitation) -> None:
        if self.called_away:
            self.tell_owner(Invite(invitation))
        else:
            self.peers.invite(invitation)

    def heed(self, message: Message) -> None:
        if self.visit is not None:
            self.visit.told.append(message)
        match message:
            case Invite():
                self.invite_others(message.invitation)
                return
            case Working():
                self.working = message.container
            case Resting():
                self.rest()  # first: who hears of it may invite at once
        heard = self.tell_owner(message)
        if isinstance(message, Gone) and not heard:  # else whoever hears of it has the say
            self.put_back(message)

    def rest(self) -> None:
        with self.taking:
            visit, self.visit = self.visit, None
        if visit is not None:
            if not self.owned:  # nobody else says so, and runs would add up
                self._send(Over([visit.invitation.run]))
            visit.over.set()

    def bereaved(self, loss: Loss) -> None:
        """The nursery died, and the process with it; the next invitation starts both anew."""
        if self.visit is not None:
            run, memory = self.visit.invitation.run, group_memory()
            taken = memory.kills > self.visit.kills
            why = f"{loss.why}: {memory.told}" if taken else loss.why
            self.heed(Gone(run, self.working, why, loss.claimed, loss.words, taken))
            self.heed(Resting())

    def put_back(self, gone: Gone) -> None:
        """What a dead process held goes to others at once, where no client hears of it."""
        if self.visit is None or self.visit.invitation.run != gone.run or not gone.claimed:
            return
        try:
            coordination = self.connections.coordination(self.visit.invitation)
            loss = gone.loss
            condition = coordination.sweep([loss.dead], LIVE_SECONDS, outgrown=loss.outgrown)
        except StoreError:  # then it is the lease that has to end
            return
        if condition.status == OK:
            for whom in condition.invitations:
                self.invite_others(self.visit.invitation.to(whom))

    def leave(self) -> None:
        """Finish the bundle under way, if that does not take too long; others go on with the run."""
        with self.taking:
            self.leaving = True
            visit = self.visit
        if visit is not None:
            if not self.hand_over(visit, self.settings.grace_seconds):
                self._send(Leave())
                visit.over.wait(CLEAN_UP_SECONDS)
        self._send(Leave())
        self.close()
