"""Containers of a Docker daemon as a backend: performs what the pool decides."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from dask_serverless import private
from dask_serverless.backends.base import Gone, Loss
from dask_serverless.backends.docker.container import Container
from dask_serverless.backends.docker.daemon import Daemon, Limits
from dask_serverless.backends.docker.image import Image
from dask_serverless.backends.docker.pool import Call, Cell, End, Order, Pool, Start, State, Yield
from dask_serverless.backends.docker.settings import USUAL_MEMORY, DockerSettings
from dask_serverless.backends.entry_point import EntryPointError
from dask_serverless.backends.local import heavy_modules
from dask_serverless.backends.messages import Gone as ProcessGone
from dask_serverless.backends.messages import (
    Invite,
    Message,
    Others,
    Peers,
    Refused,
    Resting,
    Stop,
    Stopped,
    Trouble,
    Unable,
    Working,
)
from dask_serverless.backends.own_in_store import OwnInStore
from dask_serverless.errors import (
    ContainersClosed,
    ContainersNotStarting,
    ServerlessError,
    SettingsError,
    StoreError,
)
from dask_serverless.store.address import parse
from dask_serverless.store.bridged import BridgedStore
from dask_serverless.store.connect import open_link
from dask_serverless.store.link import Link
from dask_serverless.worker.invitation import Invitation

PREFIX = "dask-serverless-pool-"
GUARD = str(Path(__file__).with_name("guard.py"))
LOOK_SECONDS = 0.5  # how often idle containers are looked for
CLOSE_SECONDS = 5.0

_backends: weakref.WeakSet[DockerBackend] = weakref.WeakSet()


class DockerBackend:
    same_host = False

    def __init__(
        self,
        settings: DockerSettings,
        containers: int,
        *,
        memory_bytes: Sequence[int] = (),
        idle_seconds: float = 60.0,
        lease_seconds: float = 15.0,
        attempts: int = 3,
        store: str | None = None,
    ) -> None:
        self.settings = settings
        self.containers = containers
        self.sizes = sorted(set(memory_bytes)) or [USUAL_MEMORY]
        self.idle_seconds = idle_seconds
        self.lease_seconds = lease_seconds
        self.attempts = attempts
        self.store: BridgedStore | None = None
        if store:
            check_reachable(store)
        self.lock = threading.RLock()
        self.site: Site | None = None
        self.refusal: ServerlessError | None = None
        self.watched: dict[str, Gone] = {}
        self.stopping: dict[str, tuple[Callable[[], None], set[str]]] = {}
        _backends.add(self)

    # what a client asks for

    def start(self) -> None:
        """The daemon is asked now whether it is there; the image is built meanwhile."""
        with self.lock:
            if self.site is None:
                self.refusal = None
                self.site = Site(self.settings, self.containers, len(self.sizes))
                threading.Thread(
                    target=self._live, args=(self.site,), name="dask-serverless-docker", daemon=True
                ).start()

    def private_store(self) -> BridgedStore:
        with self.lock:
            self.start()
            assert self.site is not None
            self.store = BridgedStore(self.site.gateway)
            return self.store

    def invoke(self, invitation: Invitation, count: int = 1) -> None:
        if self.refusal is not None:
            raise self.refusal
        with self.lock:
            site = self.site
        if site is None:  # closed, while a run of another thread is under way: it hears of that
            return
        if invitation.warm_in is not None:
            with self.lock:
                orders = site.pool.warm(count, time.monotonic()) if site.image else []
            self.perform(site, orders)
            return
        if invitation.early:
            own = site.put_own(invitation.store)
            invitation = replace(invitation, own=own)
            site.own_of[invitation.run] = own
        own = invitation.own or site.own_of.get(invitation.run, "")
        reached = replace(invitation, own=own, store=self.reached(invitation.store))
        with self.lock:
            for _ in range(count):
                site.pool.waiting.add(reached)
        self.place(site)

    def reached(self, store: str) -> str:
        """A store's URL as containers have to use it."""
        if self.store is not None and store == self.store.url:
            return self.store.url_for_containers
        return store

    def watch(self, run: str, gone: Gone) -> None:
        self.watched[run] = gone

    def stop(self, run: str, settled: Callable[[], None]) -> None:
        with self.lock:
            site = self.site
            cells = site.pool.working_on(run) if site else []
            if site is not None:
                site.pool.waiting.drop(run)
            if cells:
                self.stopping[run] = (settled, {cell.name for cell in cells})
        if not cells or site is None:
            settled()
            return
        for cell in cells:
            site.containers[cell.name].tell([Stop(run)])

    def forget(self, run: str) -> None:
        self.watched.pop(run, None)
        with self.lock:
            if self.site is not None:
                self.site.own_of.pop(run, None)
                self.site.pool.forget(run)
                for container in self.site.containers.values():
                    container.over.append(run)

    def close(self) -> None:
        with self.lock:
            site, self.site = self.site, None
        self.tell(Loss("", "its containers were closed", error=ContainersClosed()))
        if site is not None:
            site.close()
        for run in list(self.stopping):
            self.settle(run)

    # what becomes of containers

    def place(self, site: Site) -> None:
        """Perform what the pool decides."""
        with self.lock:
            orders = site.pool.place(time.monotonic()) if site.image and not site.closed else []
        self.perform(site, orders)

    def perform(self, site: Site, orders: Sequence[Order]) -> None:
        for order in orders:
            match order:
                case Start():
                    self.bear(site, order.cell)
                case Call():
                    self.call(site, order)
                case Yield():
                    self.call_away(site, order.cell)
                case End():
                    site.containers[order.cell.name].remove()

    def call_away(self, site: Site, cell: Cell) -> None:
        container = site.containers.get(cell.name)
        if container is not None:
            container.tell([Others(True)])

    def bear(self, site: Site, cell: Cell) -> None:
        container = Container(site.daemon, site.name, cell.name)
        with self.lock:
            site.containers[cell.name] = container
        threading.Thread(
            target=self._attend, args=(site, cell, container), name=cell.name, daemon=True
        ).start()

    def call(self, site: Site, call: Call) -> None:
        container = site.containers.get(call.cell.name)
        over: list[str] = []
        if container is not None:
            over, container.over = container.over, []
        try:
            came = (
                container is not None
                and container.point is not None
                and container.point.invoke(call.invitation, over)
            )
        except EntryPointError as error:  # its end is told by whoever listens to it
            if container is not None:
                container.tail += f"\n{error}".encode()
                container.remove()
            came = False
        if not came:
            with self.lock:
                site.pool.refused(call, time.monotonic())
            self.place(site)

    def _live(self, site: Site) -> None:
        """Build what is missing, then end containers that have been idle for long."""
        try:
            site.image = site.make_image()
        except ServerlessError as error:
            self.refuse(error)
            return
        except Exception as error:
            self.refuse(ContainersNotStarting("", f"{type(error).__name__}: {error}"))
            return
        with self.lock:
            for _ in range(min(self.settings.warm, self.containers)):
                self.bear(site, site.pool.bear(time.monotonic()))
        self.place(site)
        while not site.over.wait(LOOK_SECONDS):
            with self.lock:
                before = time.monotonic() - self.idle_seconds
                idle = site.pool.idle_since(before, self.settings.warm)
                for cell in idle:
                    site.pool.gone(cell)
            for cell in idle:
                site.containers[cell.name].remove()

    def _attend(self, site: Site, cell: Cell, container: Container) -> None:
        """From a container's start to its end."""
        why = ""
        try:
            limits = self.limits(site, self.sizes[cell.size])
            container.start(site.image, limits, site.token, self.told(cell))
            threading.Thread(target=container.pass_on, name=cell.name, daemon=True).start()
            if lines := container.listen():
                self.came(site, cell)
                self.introduce(site)
                for message in lines:
                    self.heed(site, cell, message)
        except ServerlessError as error:
            why = str(error)
            if not site.closed:
                self.refuse(error)
        finally:
            container.remove()
            self.bury(site, cell, container, why)

    def told(self, cell: Cell) -> dict[str, object]:
        """What a container is told as it starts."""
        return {
            "idle_seconds": self.idle_seconds,
            "lease_seconds": self.lease_seconds,
            "attempts": self.attempts,
            "modules": heavy_modules(),
            "larger": cell.size + 1 < len(self.sizes),
        }

    def limits(self, site: Site, memory_bytes: int) -> Limits:
        cpus = self.settings.cpus_for(memory_bytes, site.cpus)
        return Limits(memory_bytes, cpus, self.settings.pids, self.settings.tmp)

    def introduce(self, site: Site) -> None:
        """Each container to all others: they invite one another."""
        with self.lock:
            there = [
                (cell, container, container.point)
                for cell in site.pool.cells.values()
                if cell.state is not State.STARTING
                and (container := site.containers.get(cell.name)) is not None
                and container.point is not None
            ]
        places = {cell.name: (point.address.host, cell.size) for cell, _, point in there}
        for cell, container, _ in there:
            container.tell([Peers(places, cell.size)])

    def came(self, site: Site, cell: Cell) -> None:
        with self.lock:
            site.pool.rested(cell, time.monotonic())
        self.place(site)

    def heed(self, site: Site, cell: Cell, message: Message) -> None:
        match message:
            case Working():
                with self.lock:
                    cell.state, cell.run, cell.process = (
                        State.WORKING, message.run, message.container,
                    )  # fmt: skip
            case Resting():
                run = cell.run
                self.came(site, cell)
                self.left(run, cell.name)
            case Invite():
                if message.invitation.run in self.watched:  # else it is over
                    self.invoke(message.invitation)
            case Stopped():
                self.left(message.run, cell.name)
            case ProcessGone():
                if message.out_of_memory:
                    self.enlarge(site, cell, message.run)
                loss = Loss(message.container, message.why, message.claimed, message.words)
                self.tell(loss, message.run)
            case Trouble():
                self.tell(Loss("", message.why, cut_off=True), message.run)
            case Unable():
                self.tell(Loss("", message.why, claimed=False), message.run)
            case Refused():
                error = SettingsError(message.setting, message.problem)
                self.tell(Loss("", message.problem, error=error))

    def enlarge(self, site: Site, cell: Cell, run: str) -> None:
        """Before the bundle is anybody's: no container of this size is to have it again."""
        with self.lock:
            small = site.pool.enlarge(run, cell.size)
        for each in small:
            self.call_away(site, each)

    def bury(self, site: Site, cell: Cell, container: Container, why: str) -> None:
        """A container is gone, whoever ended it."""
        with self.lock:
            expected = cell.name not in site.pool.cells or site.closed
            site.pool.gone(cell)
            site.containers.pop(cell.name, None)
        self.left(cell.run, cell.name)
        if not expected and not why:
            told = f"the container {cell.name} {site.end_of(container.id)}"
            claimed = cell.state is State.WORKING and bool(cell.process)
            self.tell(Loss(cell.process if claimed else "", told, claimed, container.words))
        self.place(site)

    def left(self, run: str, name: str) -> None:
        """A container does not work on this run any more."""
        with self.lock:
            _, cells = self.stopping.get(run, (None, set[str]()))
            cells.discard(name)
        if not cells:
            self.settle(run)

    def settle(self, run: str) -> None:
        with self.lock:
            settled, _ = self.stopping.pop(run, (None, None))
        if settled is not None:
            settled()

    def refuse(self, error: ServerlessError) -> None:
        self.refusal = error
        self.tell(Loss("", str(error), error=error))

    def tell(self, loss: Loss, run: str = "") -> None:
        """Whoever watches this run, or any."""
        for watched, gone in list(self.watched.items()):
            if run in ("", watched):
                gone(loss)

    def abandon(self) -> None:
        """In a fork of the client: it is the parent's."""
        self.lock = threading.RLock()
        if self.site is not None:
            self.site.abandon()
        if self.store is not None:
            self.store.abandon()


class Site:
    """What one start has made, up to its close: network, containers, and who removes them."""

    def __init__(self, settings: DockerSettings, containers: int, sizes: int) -> None:
        self.settings = settings
        self.daemon = Daemon()
        self.folder, self.held = private.make(PREFIX, tempfile.gettempdir())
        self.name = self.folder.name
        self.token = secrets.token_hex(24)
        self.pool = Pool(self.name, containers, sizes)
        self.containers: dict[str, Container] = {}
        self.own = OwnInStore(self.name)
        self.own_of: dict[str, str] = {}  # run → under which key
        self.links: dict[str, Link] = {}
        self.storing = threading.Lock()  # of whoever uses them
        self.image = ""  # once there is one
        self.ends: dict[str, str] = {}  # container → how it ended
        self.ended = threading.Condition()
        self.over = threading.Event()
        private.sweep(PREFIX, self.folder.parent, lambda folder: self.daemon.clear(folder.name))
        self.guard = subprocess.Popen(
            [sys.executable, "-P", GUARD, self.name],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
        try:
            self.gateway = self.daemon.make_network(self.name)
        except BaseException:
            self.close()
            raise
        threading.Thread(target=self._hear_ends, name="dask-serverless-ends", daemon=True).start()

    @cached_property
    def cpus(self) -> int:
        return self.daemon.cpus()

    @property
    def closed(self) -> bool:
        return self.over.is_set()

    def make_image(self) -> str:
        settings = self.settings
        return Image(settings.base_image, settings.requirements_file).ready(self.daemon)

    def put_own(self, store: str) -> str:
        """See to it that containers find the client's own modules: the key."""
        with self.storing:
            if store not in self.links:
                self.links[store] = open_link(store)
            return self.own.put(self.links[store])

    def _hear_ends(self) -> None:
        with suppress(Exception):  # the daemon is gone, and so are its containers
            for container, what, details in self.daemon.ends(self.name):
                with self.ended:
                    if what == "oom":
                        self.ends[container] = "ran out of memory"
                    elif container not in self.ends:
                        self.ends[container] = f"exited with status {details.get('exitCode', '?')}"
                    self.ended.notify_all()

    def end_of(self, container: str) -> str:
        """How it ended, in words."""
        with self.ended:
            self.ended.wait_for(lambda: container in self.ends, 1.0)
            return self.ends.get(container, "ended, and nobody knows how")

    def close(self) -> None:
        """Nothing is left."""
        self.over.set()
        threads = [
            threading.Thread(target=container.remove)
            for container in list(self.containers.values())
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(CLOSE_SECONDS)
        for link in self.links.values():
            with suppress(StoreError), link:
                self.own.remove(link)
        self.daemon.clear(self.name)
        with suppress(OSError):
            self.guard.communicate(b"over\n", CLOSE_SECONDS)
        self.daemon.close()
        self.folder.rmdir()
        os.close(self.held)

    def abandon(self) -> None:
        for container in self.containers.values():
            container.abandon()
        if self.guard.stdin is not None:
            self.guard.stdin.close()
        os.close(self.held)


def check_reachable(store: str) -> None:
    """In a container, this host's own names and files mean the container's."""
    address = parse(store)
    local = address.host == "localhost" or address.host.startswith("127.") or address.host == "::1"
    if address.scheme == "unix" or local:
        problem = (
            f"is {address.shown!r}, which in a container is the container itself. Name the host as "
            "containers reach it, or leave the setting out for a private server."
        )
        raise SettingsError("store", problem)


def _forget_after_fork() -> None:
    for backend in list(_backends):
        backend.abandon()


os.register_at_fork(after_in_child=_forget_after_fork)
