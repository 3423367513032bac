"""Engine: what a Serverless object has started: store, folders, backend, connections."""

from __future__ import annotations

import _thread
import atexit
import os
import threading
import warnings
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dask_serverless.backends.base import Backend
from dask_serverless.backends.cores import cores
from dask_serverless.backends.local import LocalBackend
from dask_serverless.backends.platforms import (
    LOCAL,
    NAMES,
    WITH_LIMITS,
    WITH_SIZES,
    platform_named,
)
from dask_serverless.blobs.folder import Folders
from dask_serverless.blobs.schemes import INSTEAD, on_one_host
from dask_serverless.client.audience import Audience
from dask_serverless.client.ending import PATIENCE_SECONDS, Endings
from dask_serverless.client.warmth import Warmth
from dask_serverless.config import Settings, suggestion
from dask_serverless.errors import SettingsError, StoreEnded, StoreError, StoreUnreachable
from dask_serverless.signing.chosen import drawn
from dask_serverless.store.address import masked
from dask_serverless.store.connect import open_link
from dask_serverless.store.embedded import EmbeddedStore
from dask_serverless.store.link import Link
from dask_serverless.worker.access import PLAIN, Access

if TYPE_CHECKING:
    from dask_serverless.signing.secret import Secret
    from planners.numbers.predictions import Cores


@dataclass(eq=False, repr=False)
class Engine:
    """Made at the first need, ended by ``end``, whoever asks for that."""

    settings: Settings
    pid: int = field(default_factory=os.getpid)
    links: defaultdict[str, deque[Link]] = field(default_factory=lambda: defaultdict(deque))
    endings: Endings = field(default_factory=Endings)
    lock: threading.Lock = field(default_factory=threading.Lock)
    ready: str = ""  # the private store's URL, once it has answered
    ending: threading.RLock = field(default_factory=threading.RLock)  # held while it is closed

    def __post_init__(self) -> None:
        self.folders = Folders()
        self.access = PLAIN
        self.embedded: EmbeddedStore | None = None
        self.audience = Audience(shared=self.settings.store is not None)
        try:
            self.backend = make_backend(self.settings, self.folders.paths, self.folders.spares)
            # One that was made elsewhere has an idle time of its own.
            idle_seconds = getattr(self.backend, "idle_seconds", self.settings.idle_seconds)
            self.warmth = Warmth(idle_seconds)
            self.access = Access(secret_of(self.backend, self.settings))
        except BaseException:
            self.folders.close()
            raise
        _engines.add(self)
        try:
            self.backend.start()  # first, since this takes longest: it imports what the client has
            if not self.settings.store:
                self.embedded = private_store(self.backend)
        except BaseException:
            end(self)
            raise

    @property
    def sizes_mb(self) -> tuple[int, ...]:
        """Of its containers' memory, the smallest first; none where all have the same."""
        return tuple(getattr(self.backend, "sizes_mb", ()))

    @property
    def memory_mb(self) -> int:
        """That all its containers have; 0 where that is not known, or there are several sizes."""
        return int(getattr(self.backend, "memory_mb", 0))

    @property
    def cores(self) -> Cores:
        """Of containers of each of these sizes; none where memory says it, as on AWS Lambda."""
        return tuple(getattr(self.backend, "cores", ()))

    @property
    def url(self) -> str:
        """Where the store is, once it answers."""
        if self.embedded is None:
            return str(self.settings.store)
        with self.lock:
            if not self.embedded.alive():  # killed: its runs are lost, new ones need not be
                self.embedded.close()
                for link in self.links.pop(self.ready, ()):
                    link.close()
                self.embedded, self.ready = private_store(self.backend), ""
            self.ready = self.ready or self.embedded.wait_ready()
            return self.ready

    @contextmanager
    def link(self) -> Iterator[tuple[str, Link]]:
        """The store's URL, and a connection to it for one run in one thread."""
        url = self.url
        if self.endings:
            self.endings.catch_up(url)
        links = self.links[url]  # a private store that was killed comes back under another URL
        try:
            link = links.pop()
        except IndexError:
            link = open_link(url)
        try:
            yield url, link
        except StoreUnreachable as error:
            if self.embedded is None or self.embedded.alive():
                raise
            raise StoreEnded(error.url, error.cause) from error.__cause__
        finally:
            links.append(link)

    def close(self) -> None:
        if self.pid != os.getpid():  # a fork's copy: all of this belongs to its parent
            return
        self.backend.close()
        self.endings.finish()
        self.audience.close()
        self.close_links()
        self.folders.close()
        if self.embedded is not None:
            self.embedded.close()

    def close_links(self) -> None:
        """What was posted over them is answered by now, unless the store is not there any more."""
        idle = [link for links in list(self.links.values()) for link in links]
        self.links.clear()
        with suppress(StoreError):
            for link in idle:
                link.patience_seconds = min(link.patience_seconds, PATIENCE_SECONDS)
                link.finish()
        for link in idle:
            link.close()


def end(engine: Engine) -> None:
    """Close it, once; whoever asks meanwhile waits until it is done."""
    if engine not in _engines:  # over, or the parent's
        return
    with engine.ending:
        if engine in _engines:
            try:
                engine.close()
            finally:
                _engines.discard(engine)


def end_dropped(engine: Engine) -> None:
    """Close the engine of an object that nobody holds any more.

    The garbage collector comes at any moment, also while this thread holds a lock that closing
    needs; and threading has locks, too, so this is the thread without any.
    """
    with suppress(RuntimeError):  # the interpreter is about to end, and closes all there is
        _thread.start_new_thread(end, (engine,))


def private_store(backend: Backend) -> EmbeddedStore:
    """Containers with a network of their own have one that listens there."""
    make: Callable[[], EmbeddedStore] = getattr(backend, "private_store", EmbeddedStore)
    return make()


def secret_of(backend: Backend, settings: Settings) -> Secret | None:
    """What its containers have: a backend of the user's own says what that is, if it is anything."""
    secret: Secret | None = getattr(backend, "secret", None)
    if settings.secret and secret is None:
        problem = "is of no use to a backend that has no attribute `secret` for its containers."
        raise SettingsError("secret", problem)
    return secret


def check_blobs(blobs: str | None, backend: Any) -> None:
    """Before containers write outputs where nobody else sees them."""
    platform = platform_named(backend)
    if blobs is not None and platform is not None and platform.has_own_files and on_one_host(blobs):
        raise SettingsError(
            "blobs",
            f"is {masked(blobs)!r}, but containers of the backend {backend!r} have files of their "
            f"own: leave it out, or name a place that all of them reach, {INSTEAD}.",
        )


def make_backend(settings: Settings, folders: list[str], spares: str = "") -> Backend:
    if hasattr(settings.backend, "invoke"):
        backend: Backend = settings.backend
        return backend
    if isinstance(settings.memory, tuple) and settings.backend not in WITH_SIZES:
        problem = f"names several sizes, which the backend {settings.backend!r} does not have."
        raise SettingsError("memory", f"{problem} Name one, or use {' or '.join(WITH_SIZES)}.")
    if settings.memory is not None and settings.backend not in WITH_LIMITS:
        warnings.warn(
            "The setting memory is not enforced here: what the backend runs on has limits of its own.",
            stacklevel=2,
        )
    if not isinstance(settings.backend, str):
        from dask_serverless.backends.executor.backend import ExecutorBackend

        return ExecutorBackend(
            settings.backend,
            settings.containers,
            idle_seconds=settings.idle_seconds,
            lease_seconds=settings.lease_seconds,
            secret=drawn(settings),
        )
    check_blobs(settings.blobs, settings.backend)
    if (platform := platform_named(settings.backend)) is not None:
        made: Backend = platform.found("making", platform.makes)(settings)
        return made
    if settings.backend != LOCAL:
        known = suggestion(settings.backend, NAMES)
        raise SettingsError("backend", f"is {settings.backend!r}, which does not exist{known}")
    return LocalBackend(
        settings.containers or cores(),
        memory_bytes=settings.memory if isinstance(settings.memory, int) else 0,
        idle_seconds=settings.idle_seconds,
        lease_seconds=settings.lease_seconds,
        attempts=settings.attempts,
        folders=folders,
        spares=spares,
        secret=drawn(settings),
    )


_engines: set[Engine] = set()  # what is to be closed when the process ends


@atexit.register
def _close_all() -> None:
    for engine in list(_engines):
        with suppress(Exception):
            end(engine)


os.register_at_fork(after_in_child=_engines.clear)  # they are the parent's
