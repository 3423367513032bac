"""The calls that a client has submitted for one pool, and the thread that looks after them."""

from __future__ import annotations

import os
import queue
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from dask_serverless.backends.base import Loss
from dask_serverless.backends.executor.container import homes, serve
from dask_serverless.backends.executor.engines import Executor, named
from dask_serverless.backends.executor.pool import Look, Pool, PoolOver
from dask_serverless.backends.executor.ticket import Ended, Ticket
from dask_serverless.backends.own_in_store import OwnInStore
from dask_serverless.errors import ExecutorUnusable, StoreError
from dask_serverless.signing.secret import Secret
from dask_serverless.store.connect import open_link
from dask_serverless.worker.invitation import Invitation

PULSES_A_LEASE = 4
CLOSE_SECONDS = 5.0
REPEATED = "its process was lost, and the executor has called it again elsewhere"
SHORTEST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.1, 5.0  # after a container that was lost


@dataclass(frozen=True)
class Call:
    """One container, from its submission on."""

    name: str
    future: Any
    over: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True)
class News:
    """Why to look after the pool before it is time to, and what others are to be told: by a thread
    that holds no lock, since they may hold one, and wait for ours.
    """

    ended: str = ""  # a call
    loss: Loss | None = None
    left: Sequence[str] = ()  # stopped runs on which nobody works any more
    over: str = ""  # a run
    crowded: int = 0  # calls that may have to wait for a place on the executor


@dataclass(frozen=True)
class Surroundings:
    """What calls need of the backend that they belong to."""

    executor: Executor
    store: str = field(repr=False)  # URL, with its password
    containers: int
    idle_seconds: float
    lease_seconds: float
    tell: Callable[[Loss], None]
    stopping: Callable[[], Sequence[str]]  # runs that nobody is to work on any more
    left: Callable[..., None]  # those of them on which nobody does
    make_way: Callable[[int], None]  # others of this process on it, with what is idle
    secret: Secret | None = None

    @property
    def pulse_seconds(self) -> float:
        return self.lease_seconds / PULSES_A_LEASE

    def ticket(self, pool: str, call: str) -> Ticket:
        return Ticket(
            self.store, pool, call, self.containers,
            self.idle_seconds, self.lease_seconds, self.pulse_seconds,
            self.secret.text if self.secret else "",
        )  # fmt: skip


class Calls:
    def __init__(self, around: Surroundings) -> None:
        self.around = around
        link = open_link(around.store)
        self.name = f"{link.address.tenant}{named(around.executor).lower()}-{secrets.token_hex(3)}"
        homes[self.name] = os.getpid()
        self.lock = threading.RLock()  # the link's, and that of what is under way
        self.pool = Pool(link, self.name, around.secret)
        self.under_way: dict[str, Call] = {}
        self.seen = Look()
        self.own = OwnInStore(self.name, around.secret)
        self.modules: dict[str, str] = {}  # of runs under way: where the client's own are
        self.submitted = 0
        self.pause_seconds = 0.0
        self.submit_at = 0.0
        self.closed = False
        self.news: queue.SimpleQueue[News | None] = queue.SimpleQueue()
        self.look()
        for target in (self.listen, self.look_after):
            threading.Thread(target=target, name="dask-serverless-executor", daemon=True).start()

    def invite(self, invitation: Invitation, count: int) -> None:
        with self.lock:
            if self.closed:
                return
            invitation = self.with_modules(invitation)
            try:
                look = self.pool.invite(invitation, count, self.around.containers)
            except PoolOver:  # this process stood still for so long that the pool was given up
                self.look()
                look = self.pool.invite(invitation, count, self.around.containers)
            self.grow(look)

    def with_modules(self, invitation: Invitation) -> Invitation:
        """All containers of a run import what the client had loaded when the run began."""
        if invitation.early:
            self.modules[invitation.run] = self.own.put(self.pool.link)
        return replace(invitation, own=self.modules.get(invitation.run, ""))

    def keep_modules(self) -> None:
        with self.lock:
            self.own.keep(self.pool.link)

    def forget(self, run: str) -> None:
        self.modules.pop(run, None)
        self.news.put(News(over=run))

    def grow(self, look: Look) -> None:
        """Submit calls for invitations that neither containers nor earlier calls will answer."""
        if time.monotonic() < self.submit_at:
            return
        starting = len(self.under_way) - look.came
        room = self.around.containers - len(self.under_way)
        wanted = min(look.waiting - starting, room)
        for _ in range(wanted):
            self.submit()
        if wanted > 0:
            self.news.put(News(crowded=wanted))

    def submit(self) -> None:
        self.submitted += 1
        name = f"{self.name}-{self.submitted}"
        executor = self.around.executor
        try:
            future = executor.submit(serve, self.around.ticket(self.name, name))
            call = self.under_way[name] = Call(name, future)
            future.add_done_callback(partial(self.end, name, call.over))
        except Exception as error:  # whatever an executor has to say
            why = f"{type(error).__name__}: {error}"
            refusal = ExecutorUnusable(named(executor), why)
            self.news.put(News(loss=Loss("", why, error=refusal)))

    def end(self, call: str, over: threading.Event, _: Any) -> None:
        """In whichever thread the executor has for this."""
        over.set()
        self.news.put(News(ended=call))

    def listen(self) -> None:
        """To containers, through the store."""
        with open_link(self.around.store) as link:
            pool = Pool(link, self.name)
            while not self.closed:
                try:
                    lost = pool.calls(self.around.pulse_seconds)
                except StoreError:
                    time.sleep(self.around.pulse_seconds)
                else:
                    if lost is not None:
                        self.news.put(News(loss=Loss(lost, REPEATED) if lost else None))

    def look_after(self) -> None:
        while not self.closed:
            try:
                news = self.news.get(timeout=self.patience())
            except queue.Empty:
                news = News(crowded=self.missed)
            if news is None:
                return
            with suppress(StoreError):  # whoever waits for a run meets it, too
                self.heed(news)

    def patience(self) -> float:
        left = self.submit_at - time.monotonic()
        return min(left, self.around.pulse_seconds) if left > 0 else self.around.pulse_seconds

    def heed(self, news: News) -> None:
        if news.ended:
            self.ended(news.ended)
        if news.loss is not None:
            self.around.tell(news.loss)
        if news.left:
            self.around.left(*news.left)
        if news.crowded:
            self.around.make_way(news.crowded)
        with self.lock:
            if not self.closed:
                if news.over:
                    self.pool.forget(news.over)
                self.grow(self.look())

    @property
    def missed(self) -> int:
        """Calls that have not begun, as far as anything waits for them."""
        return max(0, min(self.seen.waiting, len(self.under_way) - self.seen.came))

    @property
    def standing(self) -> str:
        """For people, while some of them are not there; empty when all are."""
        asked, came = len(self.under_way), self.seen.came
        if came >= asked:
            return ""
        name = named(self.around.executor)
        return f"of {asked} calls submitted to {name}, {came} have begun and are heard of"

    def look(self) -> Look:
        self.seen = look = self.pool.pulse(self.around.pulse_seconds, self.around.stopping())
        if look.left:
            self.news.put(News(left=look.left))
        if look.came and look.came == len(self.under_way):
            self.pause_seconds = 0.0
        return look

    def ended(self, name: str) -> None:
        with self.lock:
            call = self.under_way.pop(name)
            container = "" if self.closed else self.gone(name)
        how = outcome(call.future)
        if how.why and not self.closed:
            self.pause_seconds = min(
                max(SHORTEST_PAUSE_SECONDS, 2 * self.pause_seconds), LONGEST_PAUSE_SECONDS
            )
            self.submit_at = time.monotonic() + self.pause_seconds
            self.around.tell(Loss(container, how.why, bool(container), cut_off=how.cut_off))

    def gone(self, call: str) -> str:
        try:
            return self.pool.gone(call)
        except PoolOver:
            return ""

    def dismiss(self, count: int) -> None:
        with self.lock, suppress(PoolOver):
            if not self.closed:
                self.pool.dismiss(count)

    def stop(self, run: str) -> None:
        with self.lock, suppress(PoolOver):
            self.pool.stop(run)
        self.news.put(News())

    def close(self) -> None:
        """Containers leave, calls that have not begun are cancelled."""
        with self.lock:
            if self.closed:
                return
            self.closed = True
            calls = list(self.under_way.values())
            came: Sequence[str] = ()
            with suppress(StoreError, PoolOver):
                self.own.remove(self.pool.link)
                came = self.pool.close()
            self.pool.link.close()
        self.news.put(None)
        for call in calls:
            if call.name not in came:
                cancel(call.future)
        deadline = time.monotonic() + CLOSE_SECONDS
        for call in calls:
            if not call.over.wait(max(0.0, deadline - time.monotonic())):
                cancel(call.future)
        homes.pop(self.name, None)


def cancel(future: Any) -> None:
    """If that is possible there (it is not with Parsl): else the call leaves when it begins."""
    with suppress(Exception):
        future.cancel()


def outcome(future: Any) -> Ended:
    """How a call has ended: what it returned, or what an executor says of its loss."""
    try:
        ended = future.result()
    except BaseException as error:
        return Ended(f"{type(error).__name__}: {error}".rstrip(": "))
    return ended if isinstance(ended, Ended) else Ended(f"its call returned {ended!r}")
