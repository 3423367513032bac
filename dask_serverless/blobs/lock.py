"""StoreLock: a lock that holds across containers, in the place of Dask's SerializableLock."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from dask_serverless.store.link import Link

LEASE_MS = 30_000  # a holder that was killed frees the lock after this time at the latest
LONGEST_PAUSE_SECONDS = 0.05


class StoreLock:
    """Held by one container at a time; the store knows by whom.

    Its lease is renewed by whoever holds it each time the container's heartbeat beats, so a long
    task keeps it, and a container that died does not.
    """

    link: ClassVar[Link | None] = None  # the container's own; set before tasks run
    held: ClassVar[dict[str, str]] = {}  # key → token, of this process

    def __init__(self, name: str) -> None:
        self.name = name
        self.key = f"ds:lock:{name}"

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        if self.link is None:
            raise RuntimeError("A lock for containers can only be taken in one.")
        token = os.urandom(8).hex()
        deadline = None if timeout < 0 else time.monotonic() + timeout
        pause = 0.0005
        while not self._try(token):
            if not blocking or (deadline is not None and time.monotonic() >= deadline):
                return False
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
        self.held[self.key] = token
        return True

    def _try(self, token: str) -> bool:
        """SET NX may be repeated after a lost reply: then the value tells that it was us."""
        assert self.link is not None
        taken, value = self.link.call(
            ("SET", self.key, token, "NX", "PX", LEASE_MS), ("GET", self.key)
        )
        return taken is not None or value == token.encode()

    def release(self) -> None:
        if (token := self.held.pop(self.key, None)) is None:
            raise RuntimeError("release unlocked lock")
        assert self.link is not None
        if self.link.call(("GET", self.key))[0] == token.encode():
            self.link.call(("DEL", self.key))

    def locked(self) -> bool:
        assert self.link is not None
        return bool(self.link.call(("EXISTS", self.key))[0])

    @classmethod
    def renew(cls, link: Link) -> None:
        """Called from the heartbeat's thread, over a link of its own."""
        for key in list(cls.held):
            link.call(("PEXPIRE", key, LEASE_MS))

    def __enter__(self) -> StoreLock:
        self.acquire()
        return self

    def __exit__(self, *exception: object) -> None:
        self.release()

    def __reduce__(self) -> Any:
        return StoreLock, (self.name,)
