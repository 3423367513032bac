"""StoreLock: a lock that holds across containers, in the place of Dask's SerializableLock."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

from dask_serverless.errors import StoreError
from dask_serverless.store.script import Script, script_of

if TYPE_CHECKING:
    from dask_serverless.store.link import Link

SHORTEST_PAUSE_SECONDS = 0.0005
LONGEST_PAUSE_SECONDS = 0.05
LONGEST_NAME = 64


@dataclass(frozen=True)
class Lock:
    """One lock that a container has, or is about to have."""

    key: str
    token: str
    held: bool = False  # else it may be in the store or not: to be released, but not renewed
    lease_ms: int = 0


@cache
def script(name: str) -> Script:
    return script_of("dask_serverless.blobs", f"{name}_lock")


def release(link: Link, lock: Lock) -> bool:
    """Whether it was still held; may be repeated."""
    return bool(link.call(link.script(script("release"), [lock.key], [lock.token]))[0])


def renew(link: Link, lock: Lock) -> bool:
    """Whether it is still held."""
    lease = str(lock.lease_ms)
    return bool(link.call(link.script(script("renew"), [lock.key], [lock.token, lease]))[0])


class Locks:
    """The locks of one container, in whichever of its threads they were taken.

    ``note`` is told of each change before and after the store is: so whoever keeps the container's
    locks alive, and frees them when it dies, never knows of fewer than there are.
    """

    def __init__(
        self,
        open_link: Callable[[str], Link],
        store: str,
        lease_seconds: float,
        note: Callable[[Sequence[Lock]], None],
    ) -> None:
        self.open_link = open_link
        self.store = store
        self.lease_seconds = lease_seconds
        self.lease_ms = max(1, int(1000 * lease_seconds))
        self.note = note
        self.taken: dict[str, Lock] = {}
        self.changing = threading.Lock()
        self.own = threading.local()  # a connection is for one thread

    def of(self, store: str, lease_seconds: float) -> bool:
        return (store, lease_seconds) == (self.store, self.lease_seconds)

    @property
    def link(self) -> Link:
        if not hasattr(self.own, "link"):
            self.own.link = self.open_link(self.store)
        link: Link = self.own.link
        return link

    def take(self, key: str) -> bool:
        """Try once."""
        lock = Lock(key, os.urandom(8).hex(), lease_ms=self.lease_ms)
        with self.changing:
            if key in self.taken:  # by a thread of this task, perhaps this one
                return False
            self.change(lock)
        taken = False
        try:
            taken = self.ask(lock)
        finally:
            with self.changing:
                self.change(replace(lock, held=taken), gone=not taken)
        return taken

    def ask(self, lock: Lock) -> bool:
        """SET NX may be repeated after a lost reply: then the value tells that it was us."""
        taken, value = self.link.call(
            ("SET", lock.key, lock.token, "NX", "PX", str(lock.lease_ms)), ("GET", lock.key)
        )
        return taken is not None or value == lock.token.encode()

    def give_back(self, key: str) -> None:
        with self.changing:
            lock = self.taken.get(key)
            if lock is None or not lock.held:
                raise RuntimeError("release unlocked lock")
            self.change(replace(lock, held=False))  # no longer renewed
        release(self.link, lock)
        with self.changing:
            self.change(lock, gone=True)

    def change(self, lock: Lock, *, gone: bool = False) -> None:
        if gone:
            self.taken.pop(lock.key, None)
        else:
            self.taken[lock.key] = lock
        self.note(list(self.taken.values()))

    def end(self) -> None:
        """The bundle is over: what it has not given back would be held for ever."""
        self.changing = threading.Lock()  # an interrupted task may have left it locked
        taken, self.taken = list(self.taken.values()), {}
        with suppress(StoreError):  # their leases end all the same
            for lock in taken:
                release(self.link, lock)
        self.note(())


class OfThread(threading.local):
    locks: Locks | None = None


class StoreLock:
    """Held by one container at a time; used like a ``threading.Lock``."""

    locks: ClassVar[Locks | None] = None  # the container's; set before tasks run
    of_thread: ClassVar[OfThread] = OfThread()  # its own, where several share a process

    def __init__(self, name: str) -> None:
        self.name = str(name)
        short = len(self.name) <= LONGEST_NAME and self.name.isascii()
        digest = hashlib.sha256(self.name.encode(errors="surrogatepass")).hexdigest()
        self.key = f"ds:lock:{self.name if short else digest}"

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        if timeout != -1 and not blocking:
            raise ValueError("can't specify a timeout for a non-blocking call")
        if timeout < 0 and timeout != -1:
            raise ValueError("timeout value must be a non-negative number")
        deadline = None if timeout == -1 else time.monotonic() + timeout
        pause = SHORTEST_PAUSE_SECONDS
        while not self._locks().take(self.key):
            left = LONGEST_PAUSE_SECONDS if deadline is None else deadline - time.monotonic()
            if not blocking or left <= 0:
                return False
            time.sleep(min(pause, left))
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
        return True

    def release(self) -> None:
        self._locks().give_back(self.key)

    def locked(self) -> bool:
        return bool(self._locks().link.call(("EXISTS", self.key))[0])

    def _locks(self) -> Locks:
        locks = self.of_thread.locks or self.locks
        if locks is None:
            raise RuntimeError(
                "A lock for containers can only be taken in one; on an executor, in the thread that "
                "runs the task."
            )
        return locks

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *exception: object) -> None:
        self.release()

    def __reduce__(self) -> Any:
        return StoreLock, (self.name,)
