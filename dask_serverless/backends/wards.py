"""The containers that a nursery has, and their keeper: births, deaths, and who may hear whom."""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from resource import struct_rusage

from dask_serverless.backends.cgroup_memory import GroupPeak, Kills, group_memory
from dask_serverless.backends.container import Outfit, serve
from dask_serverless.backends.editions import Edition, Editions
from dask_serverless.backends.keeper import KeeperProcess
from dask_serverless.backends.lines import Lines
from dask_serverless.backends.messages import Free, Gone, Leave, Message, Opening
from dask_serverless.backends.overheard import Overheard
from dask_serverless.backends.pages import new_pages
from dask_serverless.backends.processes import die_first, ended, kill, standing_still
from dask_serverless.backends.saying import REST_SECONDS, Mouth
from dask_serverless.backends.tightness import Tightness
from dask_serverless.backends.ward import End, Ward
from dask_serverless.backends.words import Passage, Words
from dask_serverless.blobs.spares import MOST_BYTES, Spares
from dask_serverless.worker.access import access_with
from dask_serverless.worker.usage import PEAK_UNIT_BYTES, Memory, OwnMemory, ProcessMemory

PART_OF_LIMIT = 16  # of the group's memory, that a container's spare files may take
GRACE_SECONDS = 2.0  # between asking somebody to stop and killing the process


class Wards:
    def __init__(
        self, client: Lines, opening: Opening, poll: select.poll, editions: Editions
    ) -> None:
        self.client = client
        self.opening = opening
        self.poll = poll
        self.editions = editions
        self.access = access_with(opening.secret)
        self.passage = Passage(poll)
        self.overheard: dict[int, Overheard] = {}  # by its files
        self.by_number: dict[int, Ward] = {}  # of their connections' files
        # As many pages again for those that are on their way out.
        self.pages = new_pages(2 * opening.containers)
        self.blank = list(range(len(self.pages)))
        self.tightness = Tightness(limit_of(opening))
        limit_mb = self.tightness.limit_mb
        self.keeper = KeeperProcess(self.pages, opening.lease_seconds, limit_mb)
        self.keeper_looked_at = 0.0
        self.born = 0
        self.kills = Kills()

    def __iter__(self) -> Iterator[Ward]:
        return iter(list(self.by_number.values()))

    def __bool__(self) -> bool:
        return bool(self.by_number)

    def idle(self) -> list[Ward]:
        return [ward for ward in self if ward.idle]

    def full(self) -> bool:
        return sum(not ward.leaving for ward in self) >= self.opening.containers

    def bear(self, edition: Edition) -> Ward:
        self.keep()
        ours, theirs = socket.socketpair()
        reading, writing = os.pipe()
        number = self.blank[0]
        name = f"{self.opening.name}-{self.born + 1}"
        parent = os.getpid()
        try:
            pid = os.fork()
        except OSError:
            ours.close()
            os.close(reading)
            raise
        else:
            if pid == 0:
                ours.close()
                self.editions.adopt(edition)
                self.become(name, theirs, writing, number, parent)
        finally:
            theirs.close()
            os.close(writing)
        self.born += 1
        self.blank.remove(number)
        ward = Ward(name, pid, Lines(ours), number, self.pages[number], Words(reading), edition)
        self.by_number[ours.fileno()] = ward
        self.poll.register(ours, select.POLLIN)
        self.passage.add(ward.words)
        return ward

    def become(
        self, name: str, stream: socket.socket, errors: int, number: int, parent: int
    ) -> None:
        code = 1
        try:
            self.let_go()
            os.dup2(errors, 2)
            os.close(errors)
            if self.opening.pooled:
                die_first()
            spares = spares_of(self.opening, name)
            outfit = Outfit(
                self.pages[number],
                Mouth(self.keeper.saying.writing, alone=True),
                self.access,
                memory_of(self.opening, spares),
                spares,
            )
            serve(name, Lines(stream), parent, outfit)
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            with suppress(Exception):
                sys.stdout.flush()
            os._exit(code)

    def divert(self, ward: Ward, files: Sequence[int]) -> None:
        """From now on, this one's descriptors 1 and 2 are read here."""
        try:
            opened = [
                os.open(f"/proc/{ward.pid}/fd/{file}", os.O_RDONLY | os.O_NONBLOCK)
                for file in files
            ]
        except OSError:  # it goes on without
            ward.page.divert(False)
            return
        mouth = Mouth(self.keeper.saying.writing, True, REST_SECONDS)
        ward.overheard = Overheard(ward.name, ward.page, mouth, opened)
        for file in opened:
            self.overheard[file] = ward.overheard
            self.poll.register(file, select.POLLIN)
        ward.page.divert(True)

    def overhear(self, file: int) -> None:
        if not self.overheard[file].read(file):
            self.poll.unregister(file)
            del self.overheard[file]
            os.close(file)

    def let_go(self) -> None:
        """In a child: the ends of these connections must be heard when the nursery dies."""
        self.client.close()
        self.keeper.close()
        for ward in self:
            ward.lines.close()

    def reap(self, buried: Callable[[Ward, Gone], None]) -> None:
        """Notice the dead by their own: what a task has forked may hold a connection open."""
        for ward in self:
            pid, status, used = os.wait4(ward.pid, os.WNOHANG)
            if pid:
                buried(ward, self.bury(ward, self.end_of(ward, status, used)))
        if self.keeper.reap():
            self.lose_keeper()

    def bury(self, ward: Ward, end: End) -> Gone:
        self.passage.finish(ward.words)
        if ward.overheard is not None:
            ward.overheard.finish()
        held, locks = ward.page.held(), ward.page.locks()
        if held.place is not None and locks:
            self.keeper.send(Free(held.place.store, locks))
        gone = ward.gone(end)
        if not ward.deaf:
            self.poll.unregister(ward.lines)
        del self.by_number[ward.lines.fileno()]
        ward.lines.close()
        ward.page.clear()
        self.blank.append(ward.number)
        return gone

    def end_of(self, ward: Ward, status: int, used: struct_rusage) -> End:
        """How it ended, in words, and whether the kernel took it for want of memory."""
        cpu_seconds, peak_bytes = used.ru_utime + used.ru_stime, used.ru_maxrss * PEAK_UNIT_BYTES
        killed = sent(status, signal.SIGKILL)
        if killed and self.kills.took(ward.kills):
            memory = group_memory()
            peak_bytes = max(peak_bytes, memory.peak if self.opening.pooled else 0)
            return End(memory.told, True, cpu_seconds, peak_bytes)
        if killed and not self.kills.counted and self.tightness.nearly_all(peak_bytes):
            words = self.tightness.words(peak_bytes)
            why = f"it ran out of memory: it was killed with {words} in use"
            return End(why, True, cpu_seconds, peak_bytes)
        why = f"{ended(status)} (at most {peak_bytes >> 20} MiB of memory were in use)"
        return End(why, False, cpu_seconds, peak_bytes)

    def dismiss(self, ward: Ward) -> None:
        ward.leaving = True
        ward.kill_at = time.monotonic() + GRACE_SECONDS  # it may be stopped, and not hear of it
        ward.lines.send(Leave())

    def end(self) -> None:
        """The containers and the keeper go."""
        pids = [*self.keeper.unburied, *(ward.pid for ward in self)]
        for pid in pids:
            kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + GRACE_SECONDS
        while pids and time.monotonic() < deadline:  # one that hangs in the system stays behind
            pids = [pid for pid in pids if not os.waitpid(pid, os.WNOHANG)[0]]
            time.sleep(0.001)

    # the keeper

    def keep(self) -> None:
        """See to it that there is a keeper: without one, no claim lasts."""
        if self.keeper.lines is None:
            self.keeper.start(self.let_go)
            self.listen_to_keeper()

    def look_after_keeper(self, needed: bool) -> None:
        """It has work as long as there are containers."""
        now = time.monotonic()
        if now >= self.keeper_looked_at + self.keeper.look_seconds:
            self.keeper_looked_at = now
            for pid in self.keeper.unburied:
                if standing_still(pid):
                    kill(pid, signal.SIGKILL)
        if self:
            with suppress(OSError):  # tried again at the next look
                self.keep()
        elif self.born and not needed:
            self.lose_keeper()

    def heed_keeper(self, number: int) -> list[Message]:
        """What it says, if that is whom this is about."""
        lines = self.keeper.lines
        if lines is None or number != lines.fileno():
            return []
        messages = lines.receive()
        if messages is None:
            self.lose_keeper()
        return messages or []

    def listen_to_keeper(self) -> None:
        if self.keeper.lines is not None:
            self.poll.register(self.keeper.lines, select.POLLIN)

    def lose_keeper(self) -> None:
        if self.keeper.lines is not None:
            self.poll.unregister(self.keeper.lines)
            self.keeper.close()


def sent(status: int, number: int) -> bool:
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == number


def limit_of(opening: Opening) -> int:
    """MiB that its platform keeps, where a container has a host of its own."""
    return opening.memory_mb or (group_memory().limit >> 20 if opening.pooled else 0)


def spares_of(opening: Opening, name: str) -> Spares | None:
    """Files that it may keep, unless they would take of the memory that it is allowed."""
    if not opening.spares or opening.memory_bytes:
        return None
    limit = group_memory().limit // opening.containers
    most = min(MOST_BYTES, limit // PART_OF_LIMIT) if limit else MOST_BYTES
    return Spares(os.path.join(opening.spares, name), most)


def memory_of(opening: Opening, spares: Spares | None) -> Memory:
    """Where a container's memory is counted: the group of processes is its own if the host is."""
    if opening.memory_mb:
        return ProcessMemory(opening.memory_mb, alone=True)
    if opening.pooled and (group := GroupPeak()).limit_mb:
        return group
    whole = ProcessMemory(opening.memory_bytes >> 20, alone=True)
    return OwnMemory(whole, lambda: spares.mapped_bytes) if spares is not None else whole
