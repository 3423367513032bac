"""Containers of a Docker daemon as a backend: what a client asks for, and what it is told."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Sequence
from dataclasses import replace
from ipaddress import ip_address

from dask_serverless.backends.base import Loss
from dask_serverless.backends.docker.attendance import Attendance
from dask_serverless.backends.docker.settings import MIB, USUAL_MEMORY, DockerSettings
from dask_serverless.backends.docker.site import Site
from dask_serverless.backends.listeners import Listeners
from dask_serverless.backends.local import heavy_modules
from dask_serverless.backends.messages import Stop
from dask_serverless.errors import ServerlessError, SettingsError
from dask_serverless.signing.secret import Secret
from dask_serverless.store.address import parse
from dask_serverless.store.bridged import BridgedStore
from dask_serverless.worker.invitation import Invitation

OWN_NAMES = {"localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback"}

_backends: weakref.WeakSet[DockerBackend] = weakref.WeakSet()


class DockerBackend(Listeners):
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
        secret: Secret | None = None,
    ) -> None:
        super().__init__()
        self.settings = settings
        self.secret = secret  # of what is in the store; a private one needs none
        self.sealing = secret or Secret.drawn()  # of invitations, whatever store it is
        self.containers = containers
        self.sizes = sorted(set(memory_bytes)) or [USUAL_MEMORY]
        self.idle_seconds = idle_seconds
        self.lease_seconds = lease_seconds
        self.attempts = attempts
        self.store: BridgedStore | None = None
        if store:
            check_reachable(store)
        self.lock = threading.RLock()
        self.attendance: Attendance | None = None
        self.refusal: ServerlessError | None = None
        self.stores: dict[str, str] = {}  # run → where it is: containers do not say
        self.leaving: dict[str, set[str]] = {}  # run that stops → containers that are still there
        _backends.add(self)

    @property
    def sizes_mb(self) -> Sequence[int]:
        return [size // MIB for size in self.sizes] if len(self.sizes) > 1 else ()

    @property
    def memory_mb(self) -> int:
        return self.sizes[0] // MIB if len(self.sizes) == 1 else 0

    @property
    def cores(self) -> Sequence[tuple[int, float]]:
        """Of containers of each size, in MiB: planners go by it."""
        if self.site is None:
            return ()
        there = self.site.cpus
        return [(size // MIB, self.settings.cpus_for(size, there)) for size in self.sizes]

    @property
    def site(self) -> Site | None:
        return self.attendance.site if self.attendance else None

    # what a client asks for

    def start(self) -> None:
        """The daemon is asked now whether it is there; the image is built meanwhile."""
        with self.lock:
            if self.attendance is None:
                self.refusal = None
                memory = [size // MIB for size in self.sizes]
                site = Site(self.settings, self.containers, memory, self.secret)
                self.attendance = Attendance(site, self.sizes, self.idle_seconds, self.told, self)
                self.attendance.begin()

    def told(self) -> dict[str, object]:
        """What a container is told as it starts, over its standard input."""
        return {
            "secret": self.sealing.text,
            "signed": self.secret is not None,
            "idle_seconds": self.idle_seconds,
            "lease_seconds": self.lease_seconds,
            "attempts": self.attempts,
            "modules": heavy_modules(),
        }

    def private_store(self) -> BridgedStore:
        with self.lock:
            self.start()
            assert self.site is not None
            self.store = BridgedStore(self.site.gateway)
            return self.store

    def invoke(self, invitation: Invitation, count: int = 1) -> None:
        attendance = self.attendance
        if attendance is None:  # closed, while a run of another thread is under way: it hears of it
            return
        if invitation.early:  # a run begins: what was refused before may have been put right
            self.refusal = None
            attendance.begin()
        if self.refusal is not None:
            raise self.refusal
        if invitation.warm_in is not None:
            attendance.warm(invitation, count)
            return
        site = attendance.site
        if invitation.early:
            own = site.put_own(invitation.store)
            invitation = replace(invitation, own=own)
            site.own_of[invitation.run] = own
            self.stores[invitation.run] = invitation.store
        own = invitation.own or site.own_of.get(invitation.run, "")
        reached = replace(invitation, own=own, store=self.reached(invitation.store))
        attendance.invite(reached, count)

    def keep_modules(self, store: str) -> None:
        if (site := self.site) is not None:
            site.keep_own(store)

    def outage(self) -> ServerlessError | None:
        """Containers hear of their owner by the daemon: where that is gone, so is he, for them."""
        try:
            if self.site is not None:
                self.site.daemon.information()
        except ServerlessError as error:
            return error
        return None

    def reached(self, store: str) -> str:
        """A store's URL as containers have to use it."""
        if self.store is not None and store == self.store.url:
            return self.store.url_for_containers
        return store

    def stop(self, run: str, settled: Callable[[], None]) -> None:
        with self.lock:  # whoever leaves meanwhile is counted after this
            attendance = self.attendance
            names = attendance.drop(run) if attendance else []
            if names:
                self.stopping[run], self.leaving[run] = settled, set(names)
        if not names or attendance is None:
            settled()
            return
        for name in names:
            if container := attendance.site.containers.get(name):
                container.tell([Stop(run)])

    def forget(self, run: str) -> None:
        self.watched.pop(run, None)
        self.stores.pop(run, None)
        if (attendance := self.attendance) is not None:
            attendance.forget(run)

    def close(self) -> None:
        with self.lock:
            attendance, self.attendance = self.attendance, None
        self.tell_of_close()
        if attendance is not None:
            attendance.site.close()
        self.settle(*list(self.stopping))
        self.leaving.clear()

    # what becomes of containers

    def wanted(self, invitation: Invitation) -> None:
        if invitation.run in self.watched:  # else it is over
            self.invoke(replace(invitation, store=self.stores[invitation.run]))

    def left(self, run: str, name: str) -> None:
        """A container does not work on this run any more."""
        with self.lock:
            names = self.leaving.get(run, set())
            names.discard(name)
            if not names:
                self.leaving.pop(run, None)
        if not names:
            self.settle(run)

    def refuse(self, error: ServerlessError) -> None:
        self.refusal = error
        self.tell(Loss("", str(error), error=error))

    def abandon(self) -> None:
        """In a fork of the client: it is the parent's."""
        self.lock = threading.RLock()
        if self.attendance is not None:
            self.attendance.abandon()
        if self.store is not None:
            self.store.abandon()


def check_reachable(store: str) -> None:
    """In a container, this host's own names and files mean the container's."""
    address = parse(store)
    if address.scheme == "unix" or means_whoever_asks(address.host):
        problem = (
            f"is {address.shown!r}, which in a container is the container itself. Name the host as "
            "containers reach it, or leave the setting out for a private server."
        )
        raise SettingsError("store", problem)


def means_whoever_asks(host: str) -> bool:
    """By its name alone: what a name stands for may differ here and there on purpose."""
    try:
        address = ip_address(host)
    except ValueError:
        return host in OWN_NAMES or host.endswith(".localhost")
    return address.is_loopback or address.is_unspecified


def _forget_after_fork() -> None:
    for backend in list(_backends):
        backend.abandon()


os.register_at_fork(after_in_child=_forget_after_fork)
