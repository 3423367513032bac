"""The single-threaded parent of this host's containers: imports once, forks on demand.

Run as ``python -m dask_serverless.backends.nursery FD``; the connection's end ends everything.
"""

from __future__ import annotations

import gc
import importlib
import os
import select
import shutil
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from dask_serverless.backends.container import STOP, serve
from dask_serverless.backends.lines import Lines, Message
from dask_serverless.store.connect import open_link
from dask_serverless.worker.cleanup import clean_after
from dask_serverless.worker.connections import StoreConnections
from dask_serverless.worker.imports import ClientModules, Source, reload_loaded
from dask_serverless.worker.invitation import Invitation

GRACE_SECONDS = 2.0  # between asking user code to stop and killing the container
MANY_MODULES = 20
LOOK_SECONDS = 0.2  # how often memory is looked at, where it is limited


@dataclass
class Child:
    """A container as the nursery sees it."""

    name: str
    pid: int
    lines: Lines
    edition: Mapping[str, Source]  # of the client's own modules
    run: str = ""  # what it works on; "" while idle
    idle_since: float = field(default_factory=time.monotonic)
    kill_at: float = 0.0
    why: str = ""  # the nursery's own reason to kill it


class Nursery:
    def __init__(self, client: Lines, settings: Message) -> None:
        self.client = client
        self.limit: int = settings["containers"]
        self.memory_bytes: int = settings["memory_bytes"]
        self.idle_seconds: float = settings["idle_seconds"]
        self.name: str = settings["name"]
        self.folders: list[str] = settings["folders"]
        self.children: dict[int, Child] = {}  # by the connection's file number
        self.waiting: deque[dict[str, Any]] = deque()  # invitations
        self.runs: dict[str, dict[str, Any]] = {}  # invitations of runs that are not over
        self.stopped: set[str] = set()  # runs whose last containers are still to leave
        self.born = 0
        self.imports = ClientModules()
        self.editions: dict[str, Mapping[str, Source]] = {}  # run → what its containers import
        self.told_own(settings.get("own", {}))

    def live(self, early: Sequence[Message]) -> None:
        """Serve until the client is gone; ``early`` came while the libraries were imported."""
        poll = select.poll()
        poll.register(self.client, select.POLLIN)
        ended = ending_children()
        poll.register(ended, select.POLLIN)
        self.poll = poll
        for message in early:
            self.told(message)
        self.place()
        while True:
            for number, _ in poll.poll(self.patience()):
                if number == self.client.fileno():
                    messages = self.client.receive()
                    if messages is None:
                        return
                    for message in messages:
                        self.told(message)
                elif number == ended:
                    os.read(ended, 1 << 12)
                    self.reap()
                elif number in self.children:
                    self.heard(self.children[number])
            self.place()
            self.look_after()

    def patience(self) -> int | None:
        """Milliseconds until something is due."""
        now = time.monotonic()
        due = [c.kill_at for c in self.children.values() if c.kill_at]
        due += [c.idle_since + self.idle_seconds for c in self.children.values() if not c.run]
        if self.memory_bytes and any(c.run for c in self.children.values()):
            due.append(now + LOOK_SECONDS)
        return max(0, int(1000 * (min(due) - now)) + 1) if due else None

    def told(self, message: Message) -> None:
        """The client, or a container, wants something."""
        for run in message.get("over", ()):
            self.runs.pop(run, None)
            self.editions.pop(run, None)
        match message["do"]:
            case "invoke":
                self.waiting.append(message["invitation"])
                self.runs[message["invitation"]["run"]] = message["invitation"]
                self.editions.setdefault(message["invitation"]["run"], self.imports.sources)
            case "import":
                preload(message["modules"])
                if len(message["modules"]) > MANY_MODULES:
                    self.retire()  # containers born before would each import them again
            case "own":
                self.told_own(message["own"])
                reload_loaded(message["reloaded"])
            case "stop":
                self.stop(message["run"])

    def told_own(self, own: Message) -> None:
        """The client has loaded modules of its own, some of them perhaps once more.

        Containers that were born before may have imported what was there then: runs that come
        later do without them.
        """
        new = {name: Source.from_json(told) for name, told in own.items()}
        self.imports.sources = {**self.imports.sources, **new}

    def heard(self, child: Child) -> None:
        messages = child.lines.receive()
        if messages is None:
            self.bury(child)
            return
        for message in messages:
            if "do" in message:
                self.told(message)
            elif message["is"] == "idle":
                child.run, child.kill_at, child.why = "", 0.0, ""
                child.idle_since = time.monotonic()
            else:
                self.client.send(message)

    def place(self) -> None:
        """Hand waiting invitations to idle containers, or to new ones while there is room."""
        while self.waiting:
            edition = self.editions.get(self.waiting[0]["run"], self.imports.sources)
            idle = [c for c in self.children.values() if not c.run and c.edition is edition]
            if not idle and not self.room():
                if len(self.waiting) > 4 * self.limit:  # whoever finishes takes what is ready
                    self.drop_repeated()
                return
            invitation = self.waiting.popleft()
            prefer = invitation["container"]
            child = next((c for c in idle if c.name == prefer), idle[0] if idle else None)
            child = child or self.bear(edition)
            child.run = invitation["run"]
            child.lines.send({"do": "work", "invitation": invitation})

    def room(self) -> bool:
        """Whether one more container may be born; one of another edition makes way for it."""
        if len(self.children) < self.limit:
            return True
        idle = next((child for child in self.children.values() if not child.run), None)
        if idle is not None:
            self.dismiss(idle)
        return idle is not None

    def drop_repeated(self) -> None:
        """One waiting invitation a run and container is enough: ready bundles wait in the store."""
        kept: deque[dict[str, Any]] = deque()
        counts: dict[str, int] = {}
        for invitation in self.waiting:
            counts[invitation["run"]] = counts.get(invitation["run"], 0) + 1
            if counts[invitation["run"]] <= self.limit:
                kept.append(invitation)
        self.waiting = kept

    def bear(self, edition: Mapping[str, Source]) -> Child:
        ours, theirs = socket.socketpair()
        self.born += 1
        name = f"{self.name}-{self.born}"
        pid = os.fork()
        if pid == 0:
            self.imports.sources = edition
            self.become(name, theirs, ours)
        theirs.close()
        child = Child(name, pid, Lines(ours), edition)
        self.children[ours.fileno()] = child
        self.poll.register(ours, select.POLLIN)
        return child

    def become(self, name: str, stream: socket.socket, other_end: socket.socket) -> None:
        code = 1
        try:
            other_end.close()
            self.client.close()
            for sibling in self.children.values():
                sibling.lines.close()
            serve(name, Lines(stream))
            code = 0
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            with suppress(Exception):
                sys.stdout.flush()
            os._exit(code)

    def reap(self) -> None:
        """Notice the dead by their own: what a task has forked may hold a connection open."""
        for child in list(self.children.values()):
            pid, status = os.waitpid(child.pid, os.WNOHANG)
            if pid:
                self.bury(child, status)

    def bury(self, child: Child, status: int | None = None) -> None:
        self.forget(child)
        if status is None:
            _, status = os.waitpid(child.pid, 0)
        if child.run:
            why = child.why or ended(status)
            self.client.send({"is": "gone", "run": child.run, "container": child.name, "why": why})

    def forget(self, child: Child) -> None:
        self.poll.unregister(child.lines)
        del self.children[child.lines.fileno()]
        child.lines.close()

    def stop(self, run: str) -> None:
        self.waiting = deque(i for i in self.waiting if i["run"] != run)
        for child in self.children.values():
            if child.run == run:
                os.kill(child.pid, STOP)
                child.kill_at = time.monotonic() + GRACE_SECONDS
                child.why = "the run was stopped"
        self.stopped.add(run)

    def end(self) -> None:
        """The client is gone: so are its containers, and what its runs left."""
        for child in self.children.values():
            with suppress(ProcessLookupError):
                os.kill(child.pid, signal.SIGKILL)
            os.waitpid(child.pid, 0)
        connections = StoreConnections(lambda store: open_link(store, 1.0))
        for invitation in map(lambda told: Invitation(**told), self.runs.values()):
            with suppress(Exception):
                clean_after(invitation, connections)
        connections.close()
        for folder in self.folders:
            shutil.rmtree(folder, ignore_errors=True)

    def retire(self) -> None:
        for child in [child for child in self.children.values() if not child.run]:
            self.dismiss(child)

    def dismiss(self, child: Child) -> None:
        child.lines.send({"do": "leave"})
        self.forget(child)
        os.waitpid(child.pid, 0)

    def look_after(self) -> None:
        now = time.monotonic()
        for run in self.stopped - {child.run for child in self.children.values()}:
            self.stopped.discard(run)
            self.client.send({"is": "stopped", "run": run})
        for child in list(self.children.values()):
            if child.kill_at and now >= child.kill_at:
                os.kill(child.pid, signal.SIGKILL)
                child.kill_at = 0.0
            elif not child.run and (
                now >= child.idle_since + self.idle_seconds or self.outdated(child)
            ):
                self.dismiss(child)
            elif child.run and self.memory_bytes:
                self.weigh(child)

    def outdated(self, child: Child) -> bool:
        """Whether it may have imported what the client has loaded anew, and no run needs that."""
        edition = child.edition
        return edition is not self.imports.sources and not any(
            edition is needed for needed in self.editions.values()
        )

    def weigh(self, child: Child) -> None:
        used = resident_bytes(child.pid)
        if used > self.memory_bytes and not child.why:
            child.why = (
                f"it used {used >> 20} MiB of memory, more than its limit of "
                f"{self.memory_bytes >> 20} MiB (the setting memory)"
            )
            os.kill(child.pid, signal.SIGKILL)


def ending_children() -> int:
    """A descriptor that can be read when a child has ended."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.set_blocking(writing, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    return reading


def resident_bytes(pid: int) -> int:
    """Memory of its own: pages of mapped blobs are shared and come back for free."""
    try:
        with open(f"/proc/{pid}/statm") as file:
            _, resident, shared, *_ = map(int, file.read().split())
    except (OSError, ValueError):
        return 0
    return (resident - shared) * os.sysconf("SC_PAGE_SIZE")


def ended(status: int) -> str:
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        name = signal.Signals(number).name
        hint = " (out of memory?)" if number == signal.SIGKILL else ""
        return f"it was killed by {name}{hint}"
    return f"it exited with status {os.WEXITSTATUS(status)}"


def preload(modules: list[str]) -> None:
    """Import what the client has imported, so that every container is born with it."""
    gc.disable()  # imports make many objects and no garbage: collections are a third of their time
    for name in modules:
        if name not in sys.modules:
            with suppress(Exception):
                importlib.import_module(name)
    gc.freeze()  # what is here now stays, and stays shared with the containers
    gc.enable()


def opening(client: Lines) -> list[Message]:
    """The settings, and whatever the client has sent behind them by now."""
    while not (messages := client.receive()):
        if messages is None:
            sys.exit()
    return messages


def main() -> None:
    client = Lines(socket.socket(fileno=int(sys.argv[1])))
    signal.signal(STOP, signal.SIG_IGN)  # until a container sets its own handler
    settings, *early = opening(client)
    sys.path[:] = settings["path"]
    nursery = Nursery(client, settings)
    nursery.imports.install()
    preload(settings["modules"])
    import dask

    dask.config.set(scheduler="synchronous")  # for what tasks compute themselves
    try:
        nursery.live(early)
    finally:
        nursery.end()


if __name__ == "__main__":
    main()
