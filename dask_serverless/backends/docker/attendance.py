"""Looks after a site's containers: performs what its pool decides, hears what they tell."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

from dask_serverless.backends.base import Loss
from dask_serverless.backends.docker.container import Container
from dask_serverless.backends.docker.daemon import Limits
from dask_serverless.backends.docker.pool import Call, Cell, End, Order, Start, State, Yield
from dask_serverless.backends.docker.site import Site
from dask_serverless.backends.messages import Gone as ProcessGone
from dask_serverless.backends.messages import (
    Invite,
    Message,
    Others,
    Peers,
    Refused,
    Resting,
    Stopped,
    Trouble,
    Unable,
    Working,
)
from dask_serverless.errors import ContainersNotStarting, ServerlessError, SettingsError
from dask_serverless.worker.invitation import Invitation

LOOK_SECONDS = 0.5  # how often idle containers are looked for


class Client(Protocol):
    """Whom the containers work for."""

    def wanted(self, invitation: Invitation) -> None:
        """A container asks for another one."""

    def left(self, run: str, name: str) -> None:
        """A container does not work on this run any more."""

    def tell(self, loss: Loss, run: str = "") -> None:
        """Something was lost: of this run, or of all of them."""

    def refuse(self, error: ServerlessError) -> None:
        """No container can be had."""


class Attendance:
    """``told`` says what a container hears as it starts, beside the site's token."""

    def __init__(
        self,
        site: Site,
        sizes: Sequence[int],
        idle_seconds: float,
        told: Callable[[], Mapping[str, Any]],
        client: Client,
    ) -> None:
        self.site = site
        self.sizes = sizes  # bytes of memory, the smallest first
        self.idle_seconds = idle_seconds
        self.told = told
        self.client = client
        self.lock = threading.RLock()  # of the site's pool
        self.begun = False  # and not given up since

    def begin(self) -> None:
        """Once more after it was given up: what was wrong may have been put right."""
        with self.lock:
            begun, self.begun = self.begun, True
        if not begun:
            threading.Thread(target=self._live, name="dask-serverless-docker", daemon=True).start()

    def give_up(self, error: ServerlessError) -> None:
        with self.lock:  # before it is told: whoever begins a run after that begins anew
            self.begun = False
        self.refuse(error)

    def refuse(self, error: ServerlessError) -> None:
        """Every run hears of it and ends; until then nobody tries the same for it again and again."""
        with self.lock:
            self.site.pool.waiting.clear()
        self.client.refuse(error)

    def invite(self, invitation: Invitation, count: int) -> None:
        with self.lock:
            for _ in range(count):
                self.site.pool.waiting.add(invitation)
        self.place()

    def warm(self, invitation: Invitation, count: int) -> None:
        """There are to be so many without work."""
        with self.lock:
            ready = bool(self.site.image)
            orders = self.site.pool.warm(invitation, count, time.monotonic()) if ready else []
        self.perform(orders)

    def drop(self, run: str) -> list[str]:
        """Send nobody else to this run; the names of those who work on it."""
        with self.lock:
            self.site.pool.waiting.drop(run)
            return [cell.name for cell in self.site.pool.working_on(run)]

    def forget(self, run: str) -> None:
        with self.lock:
            self.site.own_of.pop(run, None)
            self.site.pool.waiting.drop(run)
            for container in self.site.containers.values():
                container.over.append(run)

    def place(self) -> None:
        """Perform what the pool decides."""
        site = self.site
        with self.lock:
            orders = site.pool.place(time.monotonic()) if site.image and not site.closed else []
        self.perform(orders)

    def perform(self, orders: Sequence[Order]) -> None:
        for order in orders:
            match order:
                case Start():
                    self.bear(order.cell)
                case Call():
                    self.call(order)
                case Yield():
                    self.call_away(order.cell)
                case End():
                    self.site.containers[order.cell.name].remove()

    def call_away(self, cell: Cell) -> None:
        container = self.site.containers.get(cell.name)
        if container is not None:
            container.tell([Others(True)])

    def bear(self, cell: Cell) -> None:
        container = Container(self.site.daemon, self.site.name, cell.name)
        with self.lock:
            self.site.containers[cell.name] = container
        threading.Thread(
            target=self._attend, args=(cell, container), name=cell.name, daemon=True
        ).start()

    def call(self, call: Call) -> None:
        container = self.site.containers.get(call.cell.name)
        if container is None or container.calls is None:
            self.refused(call)
            return
        over, container.over = container.over, []
        container.calls.invoke(call.invitation, over, partial(self.answered, call, container))

    def answered(self, call: Call, container: Container, came: bool, why: str) -> None:
        if why:  # its end is told by whoever listens to it
            container.tail += f"\n{why}".encode()
            container.remove()
        if not came:
            self.refused(call)

    def refused(self, call: Call) -> None:
        with self.lock:
            self.site.pool.refused(call, time.monotonic())
        self.place()

    def _live(self) -> None:
        """Build what is missing, then end containers that have been idle for long."""
        site = self.site
        try:
            site.image = site.make_image()
        except ServerlessError as error:
            self.give_up(error)
            return
        except Exception as error:
            self.give_up(ContainersNotStarting("", f"{type(error).__name__}: {error}"))
            return
        with self.lock:
            for _ in range(min(site.settings.warm, site.pool.most)):
                self.bear(site.pool.bear(time.monotonic()))
        self.place()
        while not site.over.wait(LOOK_SECONDS):
            with self.lock:
                before = time.monotonic() - self.idle_seconds
                idle = site.pool.idle_since(before, site.settings.warm)
                for cell in idle:
                    site.pool.gone(cell)
            for cell in idle:
                site.containers[cell.name].remove()

    def _attend(self, cell: Cell, container: Container) -> None:
        """From a container's start to its end."""
        site, why = self.site, ""
        try:
            limits = self.limits(self.sizes[cell.size])
            container.start(site.present_image(), limits, site.token, self.told())
            threading.Thread(target=container.pass_on, name=cell.name, daemon=True).start()
            if lines := container.listen():
                self.came(cell)
                self.introduce()
                for message in lines:
                    self.heed(cell, message)
        except ServerlessError as error:
            why = str(error)
            if not site.closed:
                self.refuse(error)
        finally:
            container.remove()
            self.bury(cell, container, why)

    def limits(self, memory_bytes: int) -> Limits:
        settings = self.site.settings
        cpus = settings.cpus_for(memory_bytes, self.site.cpus)
        return Limits(memory_bytes, cpus, settings.pids, settings.tmp)

    def introduce(self) -> None:
        """Each container to all others: they invite one another."""
        with self.lock:
            there = [
                (cell, container, container.calls)
                for cell in self.site.pool.cells.values()
                if cell.state is not State.STARTING
                and (container := self.site.containers.get(cell.name)) is not None
                and container.calls is not None
            ]
        memory = self.site.pool.sizes_mb
        places = {cell.name: (calls.address.host, memory[cell.size]) for cell, _, calls in there}
        for _, container, _ in there:
            container.tell([Peers(places)])

    def came(self, cell: Cell) -> None:
        with self.lock:
            self.site.pool.rested(cell, time.monotonic())
        self.place()

    def heed(self, cell: Cell, message: Message) -> None:
        tell = self.client.tell
        match message:
            case Working():
                with self.lock:
                    cell.state, cell.run, cell.process = (
                        State.WORKING, message.run, message.container,
                    )  # fmt: skip
            case Resting():
                run = cell.run
                self.came(cell)
                self.client.left(run, cell.name)
            case Invite():
                self.client.wanted(message.invitation)
            case Stopped():
                self.client.left(message.run, cell.name)
            case ProcessGone():
                if message.out_of_memory:
                    self.outlived(cell)
                tell(message.loss, message.run)
            case Trouble():
                tell(Loss("", message.why, cut_off=True), message.run)
            case Unable():
                tell(Loss("", message.why, claimed=False), message.run)
            case Refused():
                error = SettingsError(message.setting, message.problem)
                tell(Loss("", message.problem, error=error))

    def outlived(self, cell: Cell) -> None:
        container = self.site.containers.get(cell.name)
        if container is not None:
            self.site.ends.outlived(container.id)

    def bury(self, cell: Cell, container: Container, why: str) -> None:
        """A container is gone, whoever ended it."""
        site = self.site
        with self.lock:
            expected = cell.name not in site.pool.cells or site.closed
            site.pool.gone(cell)
            site.containers.pop(cell.name, None)
        self.client.left(cell.run, cell.name)
        if not expected and not why:
            ended = site.ends.of(container.id)
            told = f"the container {cell.name} {ended.why}"
            if ended.out_of_memory:
                told += f" at its limit of {self.sizes[cell.size] >> 20} MiB"
            claimed = cell.state is State.WORKING and bool(cell.process)
            process = cell.process if claimed else ""
            words, larger = container.words, ended.out_of_memory
            self.client.tell(Loss(process, told, claimed, words, out_of_memory=larger))
        self.place()

    def abandon(self) -> None:
        """In a fork of the client: another thread of the parent's may hold the lock."""
        self.lock = threading.RLock()
        self.site.abandon()
