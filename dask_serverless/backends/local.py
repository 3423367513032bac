"""Containers as processes of this host, forked by a nursery that has imported the libraries."""

from __future__ import annotations

import os
import secrets
import shutil
import sys
import threading
import time
import warnings
import weakref
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from dask_serverless.backends.base import ALL, Loss
from dask_serverless.backends.listeners import Listeners
from dask_serverless.backends.messages import Gone as ContainerGone
from dask_serverless.backends.messages import (
    Import,
    Invite,
    Message,
    Opening,
    Over,
    Own,
    Proven,
    Refused,
    Stop,
    Stopped,
    Trouble,
    Unable,
)
from dask_serverless.backends.own_modules import OWN, Changes
from dask_serverless.backends.processes import can_weigh
from dask_serverless.backends.spawned import START, Born, NurseryProcess, Process, Spawned
from dask_serverless.errors import SettingsError
from dask_serverless.worker.invitation import Invitation
from dask_serverless.worker.paths import searched

if TYPE_CHECKING:
    from dask_serverless.signing.secret import Secret

# Libraries that take long to import: the nursery imports what the client has of them.
HEAVY = {"numpy", "pandas", "pyarrow", "scipy", "dask", "xarray", "sklearn", "zarr", "fsspec"}
LAST_WORDS_SECONDS = 0.05  # what killed containers have sent is in the store by then
_backends: weakref.WeakSet[LocalBackend] = weakref.WeakSet()


class LocalBackend(Listeners):
    same_host = True
    program = START  # of the nursery

    def __init__(
        self,
        containers: int,
        *,
        memory_bytes: int = 0,
        idle_seconds: float = 60.0,
        lease_seconds: float = 15.0,
        attempts: int = 3,
        folders: Sequence[str] = (),
        spares: str = "",
        secret: Secret | None = None,
    ) -> None:
        super().__init__()
        self.containers = containers
        self.memory_bytes = memory_bytes
        self.idle_seconds = idle_seconds
        self.lease_seconds = lease_seconds
        self.attempts = attempts
        self.folders = list(folders)  # to be removed when the client is gone
        self.spares = spares  # likewise
        self.secret = secret
        self.lock = threading.RLock()
        self.nursery: NurseryProcess | None = None
        self.closed = False
        self.refusal: SettingsError | None = None
        self.over: list[str] = []  # runs that the nursery may forget
        self.loaded = 0  # how many modules the client had when it was last looked at
        self.known: set[str] = set()  # modules that the nursery was told of
        self.edition = 0  # of the user's own modules, likewise
        if memory_bytes and not can_weigh():
            warnings.warn(
                "This system does not say what processes use (there is no /proc): the setting "
                "memory is not enforced.",
                stacklevel=3,
            )
        _backends.add(self)

    @property
    def memory_mb(self) -> int:
        return self.memory_bytes >> 20

    @property
    def cores(self) -> Sequence[tuple[int, float]]:
        """Less memory takes nothing of a container's core here."""
        return [(self.memory_mb, 1.0)] if self.memory_mb else ()

    @property
    def process(self) -> Process | None:
        return self.nursery.process if self.nursery else None

    def start(self) -> None:
        with self.lock:
            self.closed = False
            if self.nursery is None:
                self._spawn()

    def _spawn(self) -> None:
        opening = self.opening()
        self.nursery = nursery = NurseryProcess(opening, self.born())
        threading.Thread(
            target=self._listen, args=(nursery,), name="dask-serverless-local", daemon=True
        ).start()

    def born(self) -> Born:
        return Spawned(self.program, self.containers)

    def opening(self) -> Opening:
        self.known = set(heavy_modules())
        own = OWN.since(0)
        self.edition = own.edition
        return Opening(
            name=f"local-{secrets.token_hex(3)}",
            containers=self.containers,
            memory_bytes=self.memory_bytes,
            idle_seconds=self.idle_seconds,
            lease_seconds=self.lease_seconds,
            attempts=self.attempts,
            folders=self.folders,
            spares=self.spares,
            path=searched(),
            modules=heavy_modules(),
            own=in_json(own),
            secret=self.secret.text if self.secret else "",
        )

    def invoke(self, invitation: Invitation, count: int = 1) -> None:
        with self.lock:
            if self.closed:  # while a run of another thread is under way: it hears of that
                return
            if self.refusal is not None:
                raise self.refusal
            if self.nursery is None:
                self._spawn()
            if len(sys.modules) != self.loaded:
                self.loaded = len(sys.modules)
                new = [name for name in heavy_modules() if name not in self.known]
                if new:
                    self.known.update(new)
                    self._send(Import(new))
            if invitation.early:  # a run begins: it is to run what the client would run now
                self.tell_own_modules()
            self._send(*[Invite(invitation)] * count)

    def tell_own_modules(self) -> None:
        own = OWN.since(self.edition)
        if own.edition != self.edition:
            self.edition = own.edition
            self._send(Own(in_json(own), own.reloaded))

    def stop(self, run: str, settled: Callable[[], None]) -> None:
        self.stopping[run] = settled
        if not self._send(Stop(run)):
            self.settle(run)

    def forget(self, run: str) -> None:
        self.watched.pop(run, None)
        self.over.append(run)  # told with the next message: nothing depends on it

    def close(self) -> None:
        with self.lock:
            self.closed = True
            nursery, self.nursery = self.nursery, None
        self.tell_of_close()
        if nursery is not None:
            nursery.close()
        self.settle(*list(self.stopping))

    def _send(self, *messages: Message) -> bool:
        """Whether there is a nursery that took them."""
        with self.lock:
            if self.nursery is None:
                return False
            over, self.over = self.over, []
            told: list[Message] = [Over(over)] if over else []
            return self.nursery.lines.send(*told, *messages)

    def _listen(self, nursery: NurseryProcess) -> None:
        """Hear of containers until the nursery is gone."""
        proven = False
        for message in nursery.lines:
            proven = proven or isinstance(message, Proven)
            self.heed(message)
        with self.lock:
            died = self.nursery is nursery  # not closed by us: its containers die with it
            if died:
                self.nursery = None  # the next invitation starts another one
        if died:
            # Its connection closes before its containers are killed: one that claims a bundle in
            # between would keep it until the lease ends.
            why, words = nursery.end()
            self.sweep_spares()
            time.sleep(LAST_WORDS_SECONDS)
            self.settle(*list(self.stopping))
            self.bereaved(Loss(ALL, why, claimed=proven, words=words))

    def sweep_spares(self) -> None:
        """Who would have removed what its containers kept is gone with them."""
        with suppress(FileNotFoundError):  # there are none, or not any more
            for folder in os.scandir(self.spares):
                shutil.rmtree(folder, ignore_errors=True)

    def heed(self, message: Message) -> None:
        match message:
            case Stopped():
                self.settle(message.run)
            case ContainerGone():
                self.tell(message.loss, message.run)
            case Trouble():
                self.tell(Loss("", message.why, cut_off=True), message.run)
            case Unable():
                self.tell(Loss("", message.why, claimed=False), message.run)
            case Refused():
                self.refusal = SettingsError(message.setting, message.problem)
                self.tell(Loss("", message.problem, error=self.refusal))

    def bereaved(self, loss: Loss) -> None:
        """The nursery is gone, with all containers."""
        self.tell(loss)


def in_json(own: Changes) -> dict[str, list[Any]]:
    return {name: source.to_json() for name, source in own.sources.items()}


def heavy_modules() -> list[str]:
    """In the order in which the client imported them."""
    return [name for name in list(sys.modules) if name.partition(".")[0] in HEAVY]


def _forget_after_fork() -> None:
    """The nursery is the parent's; were its connection open here too, it would outlive the parent."""
    for backend in list(_backends):
        backend.lock = threading.RLock()
        if backend.nursery is not None:
            backend.nursery.abandon()


os.register_at_fork(after_in_child=_forget_after_fork)
