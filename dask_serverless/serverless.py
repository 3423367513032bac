"""Serverless: the object that users pass as ``scheduler=``."""

from __future__ import annotations

import _thread
import atexit
import os
import threading
import weakref
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import dask
from dask.local import get_sync

from dask_serverless.backends.base import Backend
from dask_serverless.backends.cores import cores
from dask_serverless.backends.local import LocalBackend
from dask_serverless.blobs.folder import Folders
from dask_serverless.client import forks
from dask_serverless.client.callbacks import Observers, active
from dask_serverless.client.ending import Endings
from dask_serverless.client.ignored import check_annotations, check_options
from dask_serverless.client.report import RunReport
from dask_serverless.config import Settings, shown_all
from dask_serverless.description import described, with_settings
from dask_serverless.errors import PlanRefused, SettingsError, StoreError
from dask_serverless.store.connect import open_link
from dask_serverless.store.embedded import EmbeddedStore
from dask_serverless.store.link import Link

if TYPE_CHECKING:
    from dask_serverless.blobs.storage import Storage
    from dask_serverless.client.surroundings import Surroundings
    from dask_serverless.simulation.simulation import Simulation
    from planners.numbers.predictions import Predictions
    from planners.plans.plan import Planner

# What needs NumPy is imported where it is used: the dask command loads this package for every
# command, also for those that have nothing to do with it.


@dataclass(eq=False, repr=False)
class Engine:
    """What a Serverless object has started: store, folders, backend, connections."""

    settings: Settings
    pid: int = field(default_factory=os.getpid)
    links: defaultdict[str, deque[Link]] = field(default_factory=lambda: defaultdict(deque))
    endings: Endings = field(default_factory=Endings)
    lock: threading.Lock = field(default_factory=threading.Lock)
    ready: str = ""  # the private store's URL, once it has answered
    ending: threading.RLock = field(default_factory=threading.RLock)  # held while it is closed

    def __post_init__(self) -> None:
        self.folders = Folders()
        self.embedded: EmbeddedStore | None = None
        try:
            self.backend = make_backend(self.settings, self.folders.paths)
        except BaseException:
            self.folders.close()
            raise
        _engines.add(self)
        try:
            self.backend.start()  # first, since this takes longest: it imports what the client has
            if not self.settings.store:
                self.embedded = EmbeddedStore()
        except BaseException:
            end(self)
            raise

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
                self.embedded, self.ready = EmbeddedStore(), ""
            self.ready = self.ready or self.embedded.wait_ready()
            return self.ready

    @property
    def storage(self) -> Storage:
        """Where blobs live, and in what form."""
        from dask_serverless.blobs.storage import Storage

        return Storage(
            url=self.settings.blobs,
            folders=tuple(self.folders.paths) if self.backend.same_host else (),
            inline_bytes=self.settings.inline_bytes,
            compression=self.settings.compression,
        )

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
        finally:
            links.append(link)

    def close(self) -> None:
        if self.pid != os.getpid():  # a fork's copy: all of this belongs to its parent
            return
        self.backend.close()
        self.endings.finish()
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


@with_settings
class Serverless:
    """A Dask scheduler with no scheduler process.

    Pass it as ``scheduler=`` to ``dask.compute``, set it with ``dask.config.set(scheduler=...)``,
    or use it as a context manager, inside which it is Dask's default. Keywords are settings;
    whatever is left out comes from the environment (``DASK_SERVERLESS__CONTAINERS=8``), from
    Dask's configuration (``serverless.containers``) or is the default.
    """

    @described
    def __init__(self, **settings: Any) -> None:
        self._keywords = settings
        self.settings = Settings.gather(**settings)
        self._prepare()
        self._begin()

    def _prepare(self) -> None:
        self.last_run: RunReport | None = None
        self.lock = threading.RLock()  # held while the engine is started or let go of
        self._engine: Engine | None = None
        self._dropped: weakref.finalize[Any, Any] | None = None
        self._contexts: list[ExitStack] = []
        forks.guard(self)

    def __call__(self, graph: Any, keys: Any, **options: Any) -> Any:
        """Compute ``keys`` of what Dask passes; this is all that Dask needs of a scheduler."""
        with forks.importing:
            from dask_serverless.client.failed import Failed, raise_here
            from dask_serverless.client.run import Run

        check_options(options)
        check_annotations(graph)
        engine = self._ready()
        with active(options.get("callbacks")) as known, engine.link() as (url, link):
            run = Run(self._surroundings(engine, url, link, options), Observers(known))
            try:
                return run.compute(graph, keys)
            except Failed as failed:
                error = failed.error
            finally:
                self.last_run = run.report
        raise_here(error)

    get = __call__

    def simulate(
        self, collection: Any, *, predictions: Predictions | None = None, **backend: Any
    ) -> Simulation:
        """What it would take to compute this on another backend; nothing is computed.

        Keywords describe that backend: ``containers=1000, store_rtt="1ms", cold_start="2s"``;
        ``dask_serverless.simulation.model.BackendModel`` has them all. What tasks take and leave
        is the same for all of them unless ``predictions`` say otherwise.
        """
        with forks.importing:
            from dask_serverless.simulation.what_if import what_if

        backend.setdefault("containers", self._ready().backend.containers)
        return what_if(collection, self.planner, predictions, **backend)

    def _surroundings(
        self, engine: Engine, url: str, link: Link, options: dict[str, Any]
    ) -> Surroundings:
        from dask_serverless.client.surroundings import Surroundings
        from dask_serverless.history.opening import open_history

        settings = self.settings
        wanted = options.get("num_workers") or engine.backend.containers
        return Surroundings(
            backend=engine.backend,
            link=link,
            side=lambda: open_link(url),
            store=url,
            storage=engine.storage,
            endings=engine.endings,
            planner=self.planner,
            containers=max(1, min(wanted, engine.backend.containers)),
            lease_seconds=settings.lease_seconds,
            attempts=settings.attempts,
            result_limit=settings.result_limit,
            history=open_history(settings) if settings.history else None,
        )

    def _begin(self) -> None:
        """Processes first: they come up while the planner is imported and the graph is made."""
        Serverless._ready(self)
        try:
            with forks.importing:
                self.planner: Planner = make_planner(self.settings.planner)
        except BaseException:
            self.close()
            raise

    def _ready(self) -> Engine:
        with self.lock:
            if self._engine is None or self._engine.pid != os.getpid():
                if self._dropped is not None:
                    self._dropped.detach()
                self._engine = engine = Engine(self.settings)
                self._dropped = weakref.finalize(self, end_dropped, engine)
                self._dropped.atexit = False  # then all engines are closed, and waited for
            return self._engine

    def close(self) -> None:
        """End the containers and remove all that they left; the next call starts anew."""
        with self.lock:
            engine, self._engine = self._engine, None
            dropped, self._dropped = self._dropped, None
        if engine is not None:
            end(engine)
        if dropped is not None:
            dropped.detach()

    def __enter__(self) -> Serverless:
        stack = ExitStack()
        stack.enter_context(dask.config.set({"scheduler": self}))
        if dask.config.get("dataframe.shuffle.method", None) is None:
            stack.enter_context(dask.config.set({"dataframe.shuffle.method": "tasks"}))
        self._contexts.append(stack)
        return self

    def __exit__(self, *exception: object) -> None:
        self._contexts.pop().close()
        if not self._contexts:
            self.close()

    def __reduce__(self) -> Any:
        """In a container, tasks that compute with this object do so there and then."""
        return nested, ()

    def __dask_tokenize__(self) -> tuple[str, int]:
        return "Serverless", id(self)

    def __repr__(self) -> str:
        return f"Serverless({shown_all(self._keywords)})"


class Lazy(Serverless):
    """The ready-made instance: reads settings and starts processes when it is first used."""

    def __init__(self) -> None:
        self._keywords = {}
        self._prepare()

    def _ready(self) -> Engine:
        with self.lock:
            if self._engine is None:
                self.settings = Settings.gather()
                self._begin()
            return super()._ready()

    def __repr__(self) -> str:
        return "serverless"


def nested() -> Any:
    """What a Serverless object becomes in a container."""
    return get_sync


def make_planner(planner: Any) -> Planner:
    from planners.errors import PlanError
    from planners.plans.checked import CheckedPlanner
    from planners.registry import planner_named

    if isinstance(planner, str):
        try:
            return planner_named(planner)
        except PlanError as error:
            raise PlanRefused(str(error), error) from error
    return CheckedPlanner(planner, getattr(planner, "name", type(planner).__name__))


def make_backend(settings: Settings, folders: list[str]) -> Backend:
    if not isinstance(settings.backend, str):
        backend: Backend = settings.backend
        return backend
    if settings.backend != "local":
        raise SettingsError("backend", f"is {settings.backend!r}, but there is only 'local'.")
    return LocalBackend(
        settings.containers or cores(),
        memory_bytes=settings.memory or 0,
        idle_seconds=settings.idle_seconds,
        lease_seconds=settings.lease_seconds,
        attempts=settings.attempts,
        folders=folders,
    )


_engines: set[Engine] = set()  # what is to be closed when the process ends


@atexit.register
def _close_all() -> None:
    for engine in list(_engines):
        with suppress(Exception):
            end(engine)


os.register_at_fork(after_in_child=_engines.clear)  # they are the parent's
