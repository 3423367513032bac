"""The single-threaded parent of this host's containers: imports once, forks on demand."""

from __future__ import annotations

import os
import select
import shutil
import signal
import time
from collections.abc import Sequence
from contextlib import suppress

from dask_serverless.backends.editions import Editions
from dask_serverless.backends.lines import Lines
from dask_serverless.backends.messages import (
    Divert,
    Gone,
    Idle,
    Import,
    Invite,
    Leave,
    Lost,
    Message,
    Opening,
    Others,
    Outgrown,
    Over,
    Own,
    Proven,
    Resting,
    Stop,
    Stopped,
    Unable,
    Working,
)
from dask_serverless.backends.preparing import preload
from dask_serverless.backends.processes import kill
from dask_serverless.backends.scales import Scales, end_outgrown
from dask_serverless.backends.waiting import Waiting
from dask_serverless.backends.ward import Ward
from dask_serverless.backends.wards import GRACE_SECONDS, Wards
from dask_serverless.backends.warming import Warming
from dask_serverless.blobs.lock import release
from dask_serverless.store.connect import open_link
from dask_serverless.worker.cleanup import clean_after
from dask_serverless.worker.connections import StoreConnections
from dask_serverless.worker.invitation import Invitation

DEAF_SECONDS = 0.2  # between the end of a connection and the end of its process, at most
EARLY_TURN_SECONDS = 0.05  # where several runs are being planned, and containers are few
MANY_MODULES = 20
AGAIN_SECONDS = 0.3  # after a fork that failed


class Nursery:
    def __init__(self, client: Lines, opening: Opening) -> None:
        self.client = client
        self.opening = opening
        self.waiting = Waiting(opening.containers)
        self.warming = Warming()
        self.runs: dict[str, Invitation] = {}  # those that are not over
        self.editions = Editions(opening.own)
        self.stopped: set[str] = set()  # runs whose last containers are still to leave
        self.unclaimed: dict[str, int] = {}  # run → containers lost before they had a bundle
        self.bear_at = 0.0  # after a fork that failed
        self.proven = False
        self.scales = Scales(opening.memory_bytes)
        self.busy = False  # where it is pooled: it was invited, and has not told of its rest
        self.others_wait = False  # likewise: for a turn, elsewhere
        self.leaving = False
        self.poll = select.poll()
        self.wards = Wards(client, opening, self.poll, self.editions)

    # what comes in

    def live(self, early: Sequence[Message]) -> None:
        """Serve until the client is gone; ``early`` came while the libraries were imported."""
        self.poll.register(self.client, select.POLLIN)
        self.ended = ending_children()
        self.poll.register(self.ended, select.POLLIN)
        self.wards.listen_to_keeper()
        self.check_limit()
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
            self.place()  # first: somebody waits for this
            self.look_after()
            if self.waiting:
                self.place()
            if self.opening.pooled:
                self.tell_rest()
                if self.leaving and not self.busy:
                    return

    def attend(self, number: int) -> None:
        if number == self.ended:
            with suppress(BlockingIOError):
                os.read(self.ended, 1 << 12)
            self.wards.reap(self.mourn)
        elif ward := self.wards.by_number.get(number):
            self.listen(ward)
        elif number in self.wards.overheard:
            self.wards.overhear(number)
        elif number in self.wards.passage:
            self.wards.passage.heard(number)
        else:
            self.hear(self.wards.heed_keeper(number))

    def hear(self, messages: Sequence[Message], ward: Ward | None = None) -> None:
        for message in messages:
            match message:
                case Invite() if ward is not None and self.opening.pooled:
                    self.client.send(message)
                case Invite() if message.invitation.warm_in is not None and not self.opening.pooled:
                    self.warming.add(message.invitation, time.monotonic())
                case Invite():
                    self.busy, self.others_wait = True, False
                    self.waiting.add(message.invitation)
                    self.runs[message.invitation.run] = message.invitation
                    self.editions.begin(message.invitation.run)
                case Idle() if ward is not None:
                    self.retired(ward, message.too_early)
                case Divert() if ward is not None:
                    self.wards.divert(ward, message.files)
                case Outgrown() if ward is not None:
                    end_outgrown(ward, message.why)
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
                case Others():
                    self.others_wait = message.wait
                case Leave():
                    self.leave(message.why)
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
            if self.opening.pooled:  # the turn is another run's, which only the pool can give it
                self.client.send(Invite(invitation))
            else:
                self.waiting.add(invitation)

    def take_in(self, modules: Sequence[str]) -> None:
        preload(modules)
        self.check_limit()
        if len(modules) > MANY_MODULES:  # containers born before would each import them again
            for ward in self.wards.idle():
                self.wards.dismiss(ward)

    def check_limit(self) -> None:
        """What is imported here is in each container."""
        if (refusal := self.scales.refusal()) is not None:
            self.client.send(refusal)

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
            ward.kills = self.wards.kills.so_far  # not before: somebody waits for it to begin
            if self.opening.pooled:
                self.client.send(Working(invitation.run, ward.name))
        self.warm()
        self.call_away()

    def warm(self) -> None:
        """Containers that will be needed come up beside those that are idle, while there is room."""
        for invitation in self.warming.due(time.monotonic()):
            if invitation.run in self.runs and not self.wards.full():
                self.born(invitation)

    def chosen(self, invitation: Invitation) -> Ward | None:
        edition = self.editions.of(invitation.run)
        idle = [ward for ward in self.wards.idle() if ward.edition is edition]
        if idle:
            return next((ward for ward in idle if ward.name == invitation.container), idle[0])
        return self.born(invitation)

    def born(self, invitation: Invitation) -> Ward | None:
        if not self.room():
            return None
        try:
            return self.wards.bear(self.editions.of(invitation.run))
        except OSError as error:
            self.bear_at = time.monotonic() + AGAIN_SECONDS
            if not self.wards:
                self.client.send(Unable(invitation.run, unborn(error)))
            return None

    def room(self) -> bool:
        """Whether one more container may be born; one of another edition makes way for it."""
        if self.scales.refused or not self.wards.blank or time.monotonic() < self.bear_at:
            return False
        if not self.wards.full():
            return True
        idle = next(iter(self.wards.idle()), None)
        if idle is not None:
            self.wards.dismiss(idle)
        return idle is not None

    def call_away(self) -> None:
        """Runs take turns: whoever works on one is told when another one waits."""
        for ward in self.wards:
            if ward.invitation is None:
                continue
            ward.call(self.others_wait or self.waiting.others(ward.run))
            if ward.early and ward.wanted and time.monotonic() >= self.early_until(ward):
                ward.call_away()

    def early_until(self, ward: Ward) -> float:
        begun = self.waiting.begun(ward.run)
        return ward.since if begun else ward.since + EARLY_TURN_SECONDS

    def stop(self, run: str) -> None:
        self.waiting.drop(run)
        self.unclaimed.pop(run, None)
        for ward in self.wards:
            if ward.run == run:
                ward.stop("the run was stopped", GRACE_SECONDS)
        self.stopped.add(run)

    def lost(self, message: Lost) -> None:
        """The keeper says that what a container does is in vain."""
        for ward in self.wards:
            if (ward.number, ward.pid) == (message.page, message.pid) and ward.invitation:
                if message.stopped:
                    ward.why = message.why
                    kill(ward.pid, signal.SIGKILL)
                elif not ward.kill_at:
                    ward.stop(message.why, GRACE_SECONDS, message.claim)

    # a pooled one

    def tell_rest(self) -> None:
        """Whoever has all of the pool's nurseries may invite this one again."""
        working = bool(self.waiting) or any(ward.invitation for ward in self.wards)
        if self.busy and not working:
            self.busy = False
            self.client.send(Resting())

    def leave(self, why: str) -> None:
        """Others go on with its runs, at once."""
        self.leaving = True
        self.runs.clear()
        self.waiting = Waiting(self.opening.containers)
        for ward in self.wards:
            if ward.invitation is not None:
                ward.why = why
                kill(ward.pid, signal.SIGKILL)

    # the dead

    def mourn(self, ward: Ward, gone: Gone) -> None:
        """A container is dead."""
        self.bear_at = 0.0  # whatever was short is there now
        if self.opening.spares:
            shutil.rmtree(os.path.join(self.opening.spares, ward.name), ignore_errors=True)
        if ward.invitation is not None:
            self.client.send(gone)
            self.invite_again(ward.invitation, gone)

    def invite_again(self, invitation: Invitation, gone: Gone) -> None:
        """An invitation that died with its container: the store waits seconds for the answer."""
        if gone.claimed or invitation.run not in self.runs or invitation.run in self.stopped:
            return
        lost = self.unclaimed[invitation.run] = self.unclaimed.get(invitation.run, 0) + 1
        if lost < self.opening.attempts:
            self.waiting.add(invitation)

    def clear(self) -> None:
        """The client is gone: so is what its runs left."""
        connections = StoreConnections(lambda store: open_link(store, 1.0), self.wards.access)
        for page in self.wards.pages:
            if (place := page.held().place) is not None:
                with suppress(Exception):
                    for lock in page.locks():
                        release(connections.link(place.store), lock)
        for invitation in self.runs.values():
            with suppress(Exception):
                clean_after(invitation, connections)
        connections.close()
        for folder in filter(None, [*self.opening.folders, self.opening.spares]):
            shutil.rmtree(folder, ignore_errors=True)

    # what is due

    def patience(self) -> int | None:
        """Milliseconds until something is due."""
        now = time.monotonic()
        wards = self.wards
        due = [ward.kill_at for ward in wards if ward.kill_at]
        due += [ward.since + self.opening.idle_seconds for ward in wards if ward.idle]
        due += [self.early_until(ward) for ward in wards if ward.early and ward.wanted]
        if any(ward.invitation for ward in wards):
            due.append(now + self.wards.keeper.look_seconds)
            if (weighing := self.scales.due()) is not None:
                due.append(weighing)
        if self.warming.due_at is not None:
            due.append(self.warming.due_at)
        if self.waiting and self.bear_at > now:
            due.append(self.bear_at)
        return max(0, int(1000 * (min(due) - now)) + 1) if due else None

    def look_after(self) -> None:
        now = time.monotonic()
        for run in self.stopped - {ward.run for ward in self.wards}:
            self.stopped.discard(run)
            self.client.send(Stopped(run))
        for ward in self.wards:
            if ward.kill_at and now >= ward.kill_at:
                self.execute(ward)
            elif ward.idle and (
                now >= ward.since + self.opening.idle_seconds
                or self.editions.outdated(ward.edition)
            ):
                self.wards.dismiss(ward)
            elif ward.invitation:
                self.scales.weigh(ward)
        self.wards.look_after_keeper(needed=bool(self.waiting))

    def execute(self, ward: Ward) -> None:
        """Its time is up, unless it has meanwhile done what was asked of it."""
        ward.kill_at = 0.0
        if ward.spared():
            ward.lost, ward.why = None, ""
            return
        if ward.deaf and not ward.why:
            ward.why = "it lost its connection (does a task close files that it has not opened?)"
        kill(ward.pid, signal.SIGKILL)


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
