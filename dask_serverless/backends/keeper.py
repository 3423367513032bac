"""The keeper: one process that renews what all containers of this host hold.

It reads from their pages what that is, so a task may lock its interpreter for as long as it likes,
and asks the system whether they stand still: such a one loses its claim, as on a host that died.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress

from dask_serverless.backends.lines import Lines
from dask_serverless.backends.messages import Free, Lost
from dask_serverless.backends.pages import Held, Page
from dask_serverless.backends.processes import call_itself, die_with, kill, standing_still
from dask_serverless.backends.saying import Ear, Saying
from dask_serverless.backends.tightness import Tightness
from dask_serverless.blobs.lock import release, renew
from dask_serverless.coordination.base import OK
from dask_serverless.coordination.redis import RedisCoordination
from dask_serverless.errors import StoreError
from dask_serverless.store.connect import open_link
from dask_serverless.store.link import Link

LOOKS_A_LEASE = 4  # how often claims are renewed in the time that they last
NAME = "dask-keeper"
LOOKS_STILL = 1.5  # for more than so many of them, and the lease is nearly over


class KeeperProcess:
    """The keeper, as the nursery sees it. Let it die, and the next look starts another one."""

    def __init__(self, pages: Sequence[Page], lease_seconds: float, limit_mb: int = 0) -> None:
        self.pages = pages
        self.limit_mb = limit_mb  # of a container's memory; 0: none that its platform keeps
        self.look_seconds = lease_seconds / LOOKS_A_LEASE
        self.pid = 0
        self.unburied: set[int] = set()  # this one and those before
        self.lines: Lines | None = None
        self.saying = Saying()

    def start(self, let_go: Callable[[], None]) -> None:
        """Fork; ``let_go`` closes what the nursery has open and this process must not have."""
        ours, theirs = socket.socketpair()
        parent = os.getpid()
        try:
            self.pid = os.fork()
        except OSError:
            ours.close()
            theirs.close()
            raise
        if self.pid == 0:
            try:
                ours.close()
                let_go()
                self.live(Lines(theirs), parent)
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(0)
        theirs.close()
        self.unburied.add(self.pid)
        self.lines = Lines(ours)

    def live(self, nursery: Lines, parent: int) -> None:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        die_with(parent)
        call_itself(NAME)
        saying, tightness = self.saying.reading, Tightness(self.limit_mb)
        Keeper(nursery, parent, self.pages, self.look_seconds, saying, tightness).live()

    def send(self, message: Free) -> None:
        if self.lines is not None:
            self.lines.send(message)

    def close(self) -> None:
        """It does what it was told, and leaves."""
        if self.lines is not None:
            self.lines.close()
            self.lines = None

    def reap(self) -> bool:
        """Whether the present one has died."""
        dead = {pid for pid in self.unburied if os.waitpid(pid, os.WNOHANG)[0]}
        self.unburied -= dead
        return self.pid in dead


class Keeper:
    def __init__(
        self,
        nursery: Lines,
        parent: int,
        pages: Sequence[Page],
        look_seconds: float,
        saying: int,  # where what tasks print can be read
        tightness: Tightness | None = None,
    ) -> None:
        self.nursery = nursery
        self.parent = parent
        self.pages = pages
        self.look_seconds = look_seconds
        self.links: dict[str, Link] = {}
        self.ear = Ear(saying, self.link)
        self.tightness = tightness or Tightness(0)
        self.still: dict[int, float] = {}  # process → since when it stands still

    def live(self) -> None:
        told: list[Lines | Ear] = [self.nursery, self.ear]
        while True:
            begun = time.monotonic()
            self.look()
            while (left := begun + self.look_seconds - time.monotonic()) > 0:
                heard = select.select(told, [], [], min(left, self.weigh()))[0]
                if self.ear in heard:
                    self.ear.pass_on()
                if self.nursery in heard and not self.heed():
                    return

    def heed(self) -> bool:
        """Whether the nursery is there."""
        messages = self.nursery.receive()
        for message in messages or ():
            if isinstance(message, Free):
                self.free(message)
        return messages is not None

    def look(self) -> None:
        """At each container, and at the nursery, without which no container can begin or end."""
        stopped = {self.parent} if standing_still(self.parent) else set()
        for number, page in enumerate(self.pages):
            pid, working = page.owner
            if working and standing_still(pid):
                stopped.add(pid)
                if self.since(pid, stopped) > LOOKS_STILL * self.look_seconds:
                    why = "it stood still (stopped, or in a debugger) until its lease was over"
                    self.nursery.send(Lost(number, pid, page.held().claim, why, True))
            elif working:
                self.keep(number, page, pid)
        if self.since(self.parent, stopped) > LOOKS_STILL * self.look_seconds:
            kill(self.parent, signal.SIGKILL)  # its containers and this process go with it
        self.still = {pid: at for pid, at in self.still.items() if pid in stopped}

    def since(self, pid: int, stopped: set[int]) -> float:
        """For how long it has stood still for sure."""
        now = time.monotonic()
        return now - self.still.setdefault(pid, now) if pid in stopped else 0.0

    def weigh(self) -> float:
        """Who has nearly all memory in use says so at once; how many seconds there are until then."""
        if not (left := self.tightness.seconds_left()):
            owners = ((*page.owner, page.held()) for page in self.pages)
            held = {pid: its for pid, working, its in owners if working and its.claim}
            tight = self.tightness.look({pid: its.claim for pid, its in held.items()})
            with suppress(StoreError):  # the container will meet it too, and say so
                for pid, words in tight.items():
                    self.renewed(held[pid], words)
            left = self.tightness.seconds_left()
        return left

    def keep(self, number: int, page: Page, pid: int) -> None:
        held, locks = page.held(), page.locks()
        if held.place is None:
            return
        try:
            kept = self.renewed(held) and all(
                renew(self.link(held.place.store), lock) for lock in locks if lock.held
            )
        except StoreError:  # the container will meet it too, and say so
            return
        if not kept and (page.held(), page.locks()) == (held, locks):  # else it was given back
            why = "it was silent until its lease was over, and went on all the same"
            self.nursery.send(Lost(number, pid, held.claim, why, False))

    def renewed(self, held: Held, tight: str = "") -> bool:
        if not held.claim or held.place is None:
            return True
        place = held.place
        coordination = RedisCoordination(self.link(place.store), place.run, place.epoch)
        answer = coordination.renew(place.container, held.bundle, held.claim, tight)
        return answer.status == OK

    def link(self, store: str) -> Link:
        if store not in self.links:
            self.links[store] = open_link(store, self.look_seconds)
        return self.links[store]

    def free(self, message: Free) -> None:
        with suppress(StoreError):
            for lock in message.locks:
                release(self.link(message.store), lock)
