"""The other containers of the pool: who is needed is asked directly, and not through the owner."""

from __future__ import annotations

import queue
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

from dask_serverless.backends.entry_point import Address, EntryPoint, EntryPointError
from dask_serverless.backends.messages import Invite, Message
from dask_serverless.backends.messages import Peers as Places
from dask_serverless.signing.secret import Secret
from dask_serverless.worker.invitation import Invitation

ANSWER_SECONDS = 2.0
BUSY_SECONDS = 0.02  # for so long one that had other work is not asked again


class Peers:
    """Asks in a thread of its own; ``tell`` is for what none of them took: the owner's part."""

    def __init__(
        self,
        name: str,
        port: int,
        token: str,
        tell: Callable[[Message], object],
        secret: Secret | None = None,
    ) -> None:
        self.name = name
        self.port = port
        self.token = token
        self.secret = secret
        self.tell = tell
        self.points: dict[str, tuple[EntryPoint, int]] = {}  # with its memory in MiB
        self.busy: dict[str, float] = {}  # name → until when it probably is
        self.waiting: queue.SimpleQueue[Invitation] = queue.SimpleQueue()
        threading.Thread(target=self.live, name="peers", daemon=True).start()

    def know(self, told: Places) -> None:
        points = {
            name: self.points.get(name) or (self.point(host), memory_mb)
            for name, (host, memory_mb) in told.places.items()
            if name != self.name
        }
        self.points = points  # in one go: the other thread goes through them

    def point(self, host: str) -> EntryPoint:
        return EntryPoint(Address(host, self.port, self.token, self.secret), ANSWER_SECONDS)

    def invite(self, invitation: Invitation) -> None:
        self.waiting.put(invitation)

    def live(self) -> None:
        while True:
            invitation = self.waiting.get()
            if not any(self.ask(name, point, invitation) for name, point in self.order(invitation)):
                self.tell(Invite(invitation))

    def order(self, invitation: Invitation) -> Iterator[tuple[str, EntryPoint]]:
        """The one that is meant first: its worker process is called as it is, and a number.

        Then those that are large enough, and no larger ones while such are idle.
        """
        now = time.monotonic()
        known = [
            (name, point, memory_mb)
            for name, (point, memory_mb) in self.points.items()
            if self.busy.get(name, 0.0) <= now and memory_mb >= invitation.memory_mb
        ]
        random.shuffle(known)  # else all would ask the same one
        meant = invitation.container.rpartition("-")[0]
        known.sort(key=lambda each: (each[0] != meant, each[2]))
        return iter([(name, point) for name, point, _ in known])

    def ask(self, name: str, point: EntryPoint, invitation: Invitation) -> bool:
        """Whether it came."""
        with suppress(EntryPointError):
            if point.invoke(invitation):
                return True
        self.busy[name] = time.monotonic() + BUSY_SECONDS
        return False
