"""The single-threaded parent of this host's containers: imports once, forks on demand.

Run as ``python -m dask_serverless.backends.nursery FD STDERR``; the end of the connection FD ends
everything.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import socket
import sys
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress

from dask_serverless.backends.container import STOP, serve
from dask_serverless.backends.editions import Edition, Editions
from dask_serverless.backends.keeper import KeeperProcess
from dask_serverless.backends.lines import Lines
from dask_serverless.backends.messages import (
    Free,
    Gone,
    Idle,
    Import,
    Invite,
    Leave,
    Lost,
    Message,
    Opening,
    Over,
    Own,
    Proven,
    Refused,
    Stop,
    Stopped,
    Unable,
)
from dask_serverless.backends.pages import new_pages
from dask_serverless.backends.preparing import preload, show_errors
from dask_serverless.backends.processes import (
    ended,
    kill,
    resident_bytes,
    standing_still,
    wake_with_parent,
)
from dask_serverless.backends.waiting import Waiting
from dask_serverless.backends.ward import Ward
from dask_serverless.backends.words import Passage, Words
from dask_serverless.blobs.lock import release
from dask_serverless.store.connect import open_link
from dask_serverless.worker.cleanup import clean_after
from dask_serverless.worker.connections import StoreConnections
from dask_serverless.worker.invitation import Invitation

GRACE_SECONDS = 2.0  # between asking user code to stop and killing the container
DEAF_SECONDS = 0.2  # between the end of a connection and the end of its process, at most
EARLY_TURN_SECONDS = 0.05  # where several runs are being planned, and containers are few
MANY_MODULES = 20
LOOK_SECONDS = 0.2  # how often memory is looked at, where it is limited
AGAIN_SECONDS = 0.3  # after a fork that failed


class Nursery:
    def __init__(self, client: Lines, opening: Opening) -> None:
        self.client = client
        self.opening = opening
        self.wards: dict[int, Ward] = {}  # by the connection's file number
        # As many again for those that are on their way out.
        self.pages = new_pages(2 * opening.containers)
        self.blank = list(range(len(self.pages)))
        self.keeper = KeeperProcess(self.pages, opening.lease_seconds)
        self.waiting = Waiting(opening.containers)
        self.runs: dict[str, Invitation] = {}  # those that are not over
        self.editions = Editions(opening.own)
        self.stopped: set[str] = set()  # runs whose last containers are still to leave
        self.unclaimed: dict[str, int] = {}  # run → containers lost before they had a bundle
        self.born = 0
        self.bear_at = 0.0  # after a fork that failed
        self.proven = False
        self.refused = False
        self.poll = select.poll()
        self.passage = Passage(self.poll)

    # what comes in

    def live(self, early: Sequence[Message]) -> None:
        """Serve until the client is gone; ``early`` came while the libraries were imported."""
        self.poll.register(self.client, select.POLLIN)
        self.ended = ending_children()
        self.poll.register(self.ended, select.POLLIN)
        self.listen_to_keeper()
        self.weigh_nothing()
        self.hear(early)
        self.place()
        while True:
            for number, _ in self.poll.poll(self.patience()):
                if number == self.client.fileno():
                    messages = self.client.receive()
                    if messages is None:
                        return
                    self.hear(messages)
                else:
                    self.attend(number)
            self.look_after()
            self.place()

    def attend(self, number: int) -> None:
        if number == self.ended:
            with suppress(BlockingIOError):
                os.read(self.ended, 1 << 12)
            self.reap()
        elif number in self.wards:
            self.listen(self.wards[number])
        elif number in self.passage:
            self.passage.heard(number)
        elif self.keeper.lines is not None and number == self.keeper.lines.fileno():
            messages = self.keeper.lines.receive()
            if messages is None:
                self.lose_keeper()
            else:
                self.hear(messages)

    def hear(self, messages: Sequence[Message], ward: Ward | None = None) -> None:
        for message in messages:
            match message:
                case Invite():
                    self.waiting.add(message.invitation)
                    self.runs[message.invitation.run] = message.invitation
                    self.editions.begin(message.invitation.run)
                case Idle() if ward is not None:
                    self.retired(ward, message.too_early)
                case Over():
                    for run in message.runs:
                        self.runs.pop(run, None)
                        self.editions.end(run)
                        self.unclaimed.pop(run, None)
                case Import():
                    self.take_in(message.modules)
                case Own():
                    self.editions.add(message.own, message.reloaded)
                case Stop():
                    self.stop(message.run)
                case Lost():
                    self.lost(message)
                case _:
                    self.client.send(message)

    def listen(self, ward: Ward) -> None:
        messages = ward.lines.receive()
        if messages is not None:
            self.hear(messages, ward)
            return
        # It ends just now, and is reaped in a moment, or a task has closed what it had not opened.
        self.poll.unregister(ward.lines)
        ward.deaf = True
        if not ward.kill_at:
            ward.kill_at = time.monotonic() + DEAF_SECONDS

    def retired(self, ward: Ward, too_early: bool) -> None:
        """A container is done with what it was invited for."""
        invitation = ward.invitation
        if ward.claimed:
            self.unclaimed.pop(ward.run, None)
            if not self.proven:
                self.proven = True
                self.client.send(Proven())
        ward.rest()
        if too_early and invitation is not None and invitation.run in self.runs:
            self.waiting.add(invitation)

    def take_in(self, modules: Sequence[str]) -> None:
        preload(modules)
        self.weigh_nothing()
        if len(modules) > MANY_MODULES:  # containers born before would each import them again
            for ward in [ward for ward in self.wards.values() if ward.idle]:
                self.dismiss(ward)

    # who works on what

    def place(self) -> None:
        """Hand waiting invitations to idle containers, or to new ones while there is room."""
        while self.waiting:
            invitation = self.waiting.next()
            ward = self.chosen(invitation)
            if ward is None:
                self.waiting.put_back(invitation)
                break
            ward.work(invitation)
        self.call_away()

    def chosen(self, invitation: Invitation) -> Ward | None:
        edition = self.editions.of(invitation.run)
        idle = [w for w in self.wards.values() if w.idle and w.edition is edition]
        if idle:
            return next((ward for ward in idle if ward.name == invitation.container), idle[0])
        if not self.room():
            return None
        try:
            return self.bear(edition)
        except OSError as error:
            self.bear_at = time.monotonic() + AGAIN_SECONDS
            if not self.wards:
                self.client.send(Unable(invitation.run, unborn(error)))
            return None

    def room(self) -> bool:
        """Whether one more container may be born; one of another edition makes way for it."""
        if self.refused or not self.blank or time.monotonic() < self.bear_at:
            return False
        if sum(not ward.leaving for ward in self.wards.values()) < self.opening.containers:
            return True
        idle = next((ward for ward in self.wards.values() if ward.idle), None)
        if idle is not None:
            self.dismiss(idle)
        return idle is not None

    def call_away(self) -> None:
        """Runs take turns: whoever works on one is told when another one waits."""
        for ward in self.wards.values():
            if ward.invitation is None:
                continue
            ward.call(self.waiting.others(ward.run))
            if ward.early and ward.wanted and time.monotonic() >= self.early_until(ward):
                ward.call_away()

    def early_until(self, ward: Ward) -> float:
        begun = self.waiting.begun(ward.run)
        return ward.since if begun else ward.since + EARLY_TURN_SECONDS

    def stop(self, run: str) -> None:
        self.waiting.drop(run)
        self.unclaimed.pop(run, None)
        for ward in self.wards.values():
            if ward.run == run:
                ward.stop("the run was stopped", GRACE_SECONDS)
        self.stopped.add(run)

    def lost(self, message: Lost) -> None:
        """The keeper says that what a container does is in vain."""
        for ward in self.wards.values():
            if (ward.number, ward.pid) == (message.page, message.pid) and ward.invitation:
                if message.stopped:
                    ward.why = message.why
                    kill(ward.pid, signal.SIGKILL)
                elif not ward.kill_at:
                    ward.stop(message.why, GRACE_SECONDS, message.claim)

    # births and deaths

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
        self.wards[ours.fileno()] = ward
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
            serve(name, Lines(stream), parent, self.pages[number])
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            with suppress(Exception):
                sys.stdout.flush()
            os._exit(code)

    def let_go(self) -> None:
        """In a child: the ends of these connections must be heard when the nursery dies."""
        self.client.close()
        self.keeper.close()
        for ward in self.wards.values():
            ward.lines.close()

    def reap(self) -> None:
        """Notice the dead by their own: what a task has forked may hold a connection open."""
        for ward in list(self.wards.values()):
            pid, status = os.waitpid(ward.pid, os.WNOHANG)
            if pid:
                self.bury(ward, status)
        if self.keeper.reap():
            self.lose_keeper()

    def bury(self, ward: Ward, status: int) -> None:
        self.bear_at = 0.0  # whatever was short is there now
        self.passage.finish(ward.words)
        held, locks = ward.page.held(), ward.page.locks()
        if held.place is not None and locks:
            self.keeper.send(Free(held.place.store, locks))
        if ward.invitation is not None:
            gone = ward.gone(ended(status))
            self.client.send(gone)
            self.invite_again(ward.invitation, gone)
        if not ward.deaf:
            self.poll.unregister(ward.lines)
        del self.wards[ward.lines.fileno()]
        ward.lines.close()
        ward.page.clear()
        self.blank.append(ward.number)

    def invite_again(self, invitation: Invitation, gone: Gone) -> None:
        """An invitation that died with its container: the store waits seconds for the answer."""
        if gone.claimed or invitation.run not in self.runs or invitation.run in self.stopped:
            return
        lost = self.unclaimed[invitation.run] = self.unclaimed.get(invitation.run, 0) + 1
        if lost < self.opening.attempts:
            self.waiting.add(invitation)

    def dismiss(self, ward: Ward) -> None:
        ward.leaving = True
        ward.kill_at = time.monotonic() + GRACE_SECONDS  # it may be stopped, and not hear of it
        ward.lines.send(Leave())

    def end(self) -> None:
        """The containers and the keeper go."""
        pids = [*self.keeper.unburied, *(ward.pid for ward in self.wards.values())]
        for pid in pids:
            kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + GRACE_SECONDS
        while pids and time.monotonic() < deadline:  # one that hangs in the system stays behind
            pids = [pid for pid in pids if not os.waitpid(pid, os.WNOHANG)[0]]
            time.sleep(0.001)

    def clear(self) -> None:
        """The client is gone: so is what its runs left."""
        connections = StoreConnections(lambda store: open_link(store, 1.0))
        for page in self.pages:
            if (place := page.held().place) is not None:
                with suppress(Exception):
                    for lock in page.locks():
                        release(connections.link(place.store), lock)
        for invitation in self.runs.values():
            with suppress(Exception):
                clean_after(invitation, connections)
        connections.close()
        for folder in self.opening.folders:
            shutil.rmtree(folder, ignore_errors=True)

    # what is due

    def patience(self) -> int | None:
        """Milliseconds until something is due."""
        now = time.monotonic()
        wards = self.wards.values()
        due = [ward.kill_at for ward in wards if ward.kill_at]
        due += [ward.since + self.opening.idle_seconds for ward in wards if ward.idle]
        due += [self.early_until(ward) for ward in wards if ward.early and ward.wanted]
        if any(ward.invitation for ward in wards):
            due.append(now + self.keeper.look_seconds)
            if self.opening.memory_bytes:
                due.append(now + LOOK_SECONDS)
        if self.waiting and self.bear_at > now:
            due.append(self.bear_at)
        return max(0, int(1000 * (min(due) - now)) + 1) if due else None

    def look_after(self) -> None:
        now = time.monotonic()
        for run in self.stopped - {ward.run for ward in self.wards.values()}:
            self.stopped.discard(run)
            self.client.send(Stopped(run))
        for ward in list(self.wards.values()):
            if ward.kill_at and now >= ward.kill_at:
                self.execute(ward)
            elif ward.idle and (
                now >= ward.since + self.opening.idle_seconds
                or self.editions.outdated(ward.edition)
            ):
                self.dismiss(ward)
            elif ward.invitation and self.opening.memory_bytes:
                self.weigh(ward)
        self.look_after_keeper()

    def execute(self, ward: Ward) -> None:
        """Its time is up, unless it has meanwhile done what was asked of it."""
        ward.kill_at = 0.0
        if ward.spared():
            ward.lost, ward.why = None, ""
            return
        if ward.deaf and not ward.why:
            ward.why = "it lost its connection (does a task close files that it has not opened?)"
        kill(ward.pid, signal.SIGKILL)

    def weigh(self, ward: Ward) -> None:
        used, limit = resident_bytes(ward.pid), self.opening.memory_bytes
        if used > limit and not ward.why:
            ward.why = (
                f"it used {used >> 20} MiB of memory, more than its limit of "
                f"{limit >> 20} MiB (the setting memory)"
            )
            kill(ward.pid, signal.SIGKILL)

    def weigh_nothing(self) -> None:
        """A limit below what a container without work has must be told, not enforced."""
        used, limit = resident_bytes(os.getpid()), self.opening.memory_bytes
        if limit and used >= limit and not self.refused:
            self.refused = True
            problem = (
                f"is {limit >> 20} MiB, but a container without any work uses "
                f"{(used >> 20) + 1} MiB here already. Allow it more, or import less."
            )
            self.client.send(Refused("memory", problem))

    # the keeper

    def keep(self) -> None:
        """See to it that there is a keeper: without one, no claim lasts."""
        if self.keeper.lines is None:
            self.keeper.start(self.let_go)
            self.listen_to_keeper()

    def look_after_keeper(self) -> None:
        """It has work as long as there are containers."""
        for pid in self.keeper.unburied:
            if standing_still(pid):
                kill(pid, signal.SIGKILL)
        if self.wards:
            with suppress(OSError):  # tried again at the next look
                self.keep()
        elif self.born and not self.waiting:
            self.lose_keeper()

    def listen_to_keeper(self) -> None:
        if self.keeper.lines is not None:
            self.poll.register(self.keeper.lines, select.POLLIN)

    def lose_keeper(self) -> None:
        if self.keeper.lines is not None:
            self.poll.unregister(self.keeper.lines)
            self.keeper.close()


def ending_children() -> int:
    """A descriptor that can be read when a child has ended."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.set_blocking(writing, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    return reading


def unborn(error: OSError) -> str:
    return (
        f"no process can be started here: {error.strerror or error}. Is there a limit on processes "
        "or open files (ulimit -u, ulimit -n, pids.max of a cgroup)?"
    )


def opening_of(client: Lines) -> list[Message]:
    """The settings, and whatever the client has sent behind them by now."""
    while not (messages := client.receive()):
        if messages is None:
            sys.exit()
    return messages


def main() -> None:
    client = Lines(socket.socket(fileno=int(sys.argv[1])))
    wake_with_parent()
    signal.signal(STOP, signal.SIG_IGN)  # until a container sets its own handler
    opening, *early = opening_of(client)
    assert isinstance(opening, Opening)
    shown = int(sys.argv[2])
    nursery = Nursery(client, opening)

    def let_go() -> None:
        nursery.let_go()
        os.dup2(shown, 2)

    with suppress(OSError):  # told when the first container is to be born
        nursery.keeper.start(let_go)  # before anything large is imported
    sys.path[:] = opening.path
    nursery.editions.install()
    preload(opening.modules)
    import dask

    dask.config.set(scheduler="synchronous")  # for what tasks compute themselves
    show_errors(shown)
    try:
        nursery.live(early)
        gone = True
    except BaseException:  # the client lives, and starts another one: its runs go on
        gone = False
        raise
    finally:
        nursery.end()
    if gone:
        nursery.clear()


if __name__ == "__main__":
    main()
