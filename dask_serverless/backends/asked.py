"""Containers that a platform starts and ends: a backend can only ask for them, and ask again.

What it knows of them is what they answer, where they answer at all; the rest is in the store.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from dask_serverless.backends.asking import MOST_REST_SECONDS, Answer, Asking, Platform
from dask_serverless.backends.base import Loss
from dask_serverless.backends.listeners import Listeners
from dask_serverless.backends.messages import Gone as ProcessGone
from dask_serverless.backends.messages import Invite, Message, Refused, Trouble, Unable
from dask_serverless.backends.own_in_store import OwnInStore
from dask_serverless.errors import SettingsError, StoreError
from dask_serverless.signing.secret import Secret
from dask_serverless.store.connect import open_link
from dask_serverless.store.link import Link
from dask_serverless.worker.invitation import Invitation


@dataclass(frozen=True)
class Start:
    """How long a platform may take for containers to come."""

    setting: str = "start_seconds"  # how a user names the next one
    seconds: float = 300.0  # while none works
    retry_after_seconds: float = MOST_REST_SECONDS  # the longest Retry-After that is heeded


USUAL_START = Start()


class AskedBackend(Listeners):
    same_host = False
    # A platform starts a container for each request: a second one for one that is coming up is paid
    # for. Those that did come have all the work meanwhile.
    answer_seconds = 10.0
    at_once = 0  # requests under way; 0: as many as there may be containers
    answered_at_the_end = False  # a request lasts as long as its container works on the run

    def __init__(
        self,
        name: str,
        platform: Callable[[], Platform],
        containers: int,
        lease_seconds: float,
        secret: Secret | None = None,  # that its containers are configured with
        start: Start = USUAL_START,
    ) -> None:
        super().__init__()
        self.platform = platform  # for as long as the backend is open
        self.containers = containers
        self.secret = secret
        self.lease_seconds = lease_seconds
        self.starting = start
        self.lock = threading.RLock()
        self.asking = self.new_asking()
        self.own = OwnInStore(f"{name}-{secrets.token_hex(3)}", secret)
        self.modules: dict[str, str] = {}  # of runs under way: where the client's own are
        self.store = ""
        self.link: Link | None = None
        self.closed = False

    def new_asking(self) -> Asking:
        most_rest = self.starting.retry_after_seconds
        return Asking(self.platform(), self.containers, self.heard, self.at_once, most_rest)

    def standing(self, run: str) -> str:
        """What came of asking for containers, for people: while none comes."""
        answer = self.asking.answers.get(run)
        if answer is None:
            return "nothing was answered yet"
        return f"{answer.why}, but nobody came" if answer.came else answer.why

    def start(self) -> None:
        """The platform starts what it needs."""
        if self.closed:
            self.closed = False
            self.asking = self.new_asking()

    def invoke(self, invitation: Invitation, count: int = 1) -> None:
        with self.lock:
            if self.closed:
                return
            if invitation.early:  # a run begins: it is to run what the client would run now
                link = self.link_to(invitation.store)
                self.modules[invitation.run] = self.own.put(link)
        own = self.modules.get(invitation.run, "")
        self.asking.ask(replace(invitation, own=own), count)

    def keep_modules(self, store: str) -> None:
        with self.lock:
            if self.link is not None and self.store == store:
                self.own.keep(self.link)

    def link_to(self, store: str) -> Link:
        if self.link is None or self.store != store:
            if self.link is not None:
                self.link.close()
            self.link, self.store = open_link(store), store
        return self.link

    def heard(self, invitation: Invitation, answer: Answer) -> None:
        """An invitation has been answered, or given up."""
        for message in answer.told:
            self.heed(invitation, message)
        if answer.refusal is not None:
            self.tell(Loss("", answer.why, error=answer.refusal), invitation.run)
        elif not (answer.came or answer.reached or answer.at_last):
            self.tell(Loss("", answer.why, claimed=False), invitation.run)
        if invitation.run in self.stopping and not self.asking.under_way[invitation.run]:
            self.settle(invitation.run)

    def heed(self, invitation: Invitation, message: Message) -> None:
        """Of a container, which tells all of it when it has left the run."""
        run = invitation.run
        match message:
            case Invite():
                self.invoke(replace(message.invitation, store=invitation.store))
            case ProcessGone():
                self.tell(message.loss, run)
            case Trouble():
                self.tell(Loss("", message.why, cut_off=True), run)
            case Unable():
                self.tell(Loss("", message.why, claimed=False), run)
            case Refused():
                error = SettingsError(message.setting, message.problem)
                self.tell(Loss("", message.problem, error=error), run)

    def stop(self, run: str, settled: Callable[[], None]) -> None:
        """Nobody can say which container works on what: each learns it when its claim is renewed."""
        self.stopping[run] = settled
        if self.asking.drop(run) and self.answered_at_the_end:
            self.settle(run)
            return
        patience = threading.Timer(2 * self.lease_seconds, self.settle, [run])
        patience.daemon = True
        patience.start()

    def forget(self, run: str) -> None:
        self.watched.pop(run, None)
        self.modules.pop(run, None)
        self.asking.drop(run)

    def close(self) -> None:
        with self.lock:
            self.closed = True
            self.asking.platform.close()
        self.tell_of_close()
        for run in {*self.watched, *self.stopping}:
            self.asking.drop(run)
        with suppress(StoreError):
            if self.link is not None:
                self.own.remove(self.link)
                self.link.close()
        self.link = None
        self.settle(*list(self.stopping))
