"""World: a client, a platform and its containers around one store, under virtual time.

Only time is played. The machines are those of real containers, and the coordination is the
in-memory twin of the scripts; both act in the order in which calls reach the store.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from typing import Any

from dask_serverless.client.looks import LOOK_SECONDS, Looks
from dask_serverless.coordination.base import ANYONE, OK, Whom
from dask_serverless.coordination.memory import MemoryCoordination, MemoryStore
from dask_serverless.simulation.facts import PLATFORM_ANSWER_MS, Facts
from dask_serverless.simulation.model import BackendModel
from dask_serverless.simulation.places import Placed, Places
from dask_serverless.worker import machine as m

# After so many without a call between them nothing can be new: all invitations have run out.
QUIET_LOOKS = PLATFORM_ANSWER_MS // int(1000 * LOOK_SECONDS) + 2
MB_PER_GB = 1024
NOBODY = -1


def claims(name: str) -> Iterator[str]:
    return (f"{name}.{number}" for number in count())


@dataclass(slots=True)
class Container:
    number: int
    name: str
    machine: m.Machine
    invoked: float = 0.0
    memory_mb: int = 0  # the most that a bundle of this invocation was planned with
    todo: deque[m.Instruction] = field(default_factory=deque)


class World:
    """Events in the order of time, and of their making where times are equal."""

    def __init__(self, facts: Facts, model: BackendModel) -> None:
        self.facts, self.model = facts, model
        self.at_first = min(model.containers, facts.root_tasks)  # containers that are invited
        self.now = 0.0
        self.events: list[tuple[float, int, Callable[[Any], None], Any]] = []
        self.numbers = count()
        self.store_free = 0.0  # when the store has answered all calls so far
        self.store = MemoryStore(clock=lambda: self.now)
        self.run = MemoryCoordination(self.store, "run", "epoch")
        self.places = Places(model)
        self.looks = Looks(facts.due)
        self.containers: dict[int, Container] = {}
        self.half_trip = model.store_rtt / 2
        self.looking = False
        self.quiet_looks = 0
        self.download = model.download_line
        self.begun = array("d", bytes(8 * facts.count))
        self.fetched = array("d", bytes(8 * facts.count))
        self.finished = array("d", bytes(8 * facts.count))
        self.container = array("i", [NOBODY]) * facts.count
        self.cold_starts = self.warm_starts = self.vain = self.calls = 0
        self.asked_ahead = 0  # containers that were started before they were needed
        self.bytes_up = self.bytes_down = self.gb_seconds = 0.0

    def live(self) -> World:
        """Until the run is over and all containers have left."""
        if self.facts.count:
            submission = self.facts.submission("epoch", self.model.containers, self.at_first)
            self.run.submit(submission)
            self.later(self.model.invocation, self.invited, [ANYONE] * self.at_first)
            self.look_later()
        while self.events:
            self.now, _, happen, what = heappop(self.events)
            happen(what)
        assert self.over or not self.facts.count, "a plan whose bundles never end is refused before"
        return self

    @property
    def over(self) -> bool:
        record = self.run.record()
        return record is not None and record.over == "done"

    @property
    def version(self) -> int:
        record = self.run.record()
        return record.version if record is not None else 0

    @property
    def something_may_be_late(self) -> bool:
        record = self.run.record()
        return record is not None and bool(record.patience.waiting)

    def later(self, at: float, happen: Callable[[Any], None], what: Any) -> None:
        heappush(self.events, (at, next(self.numbers), happen, what))

    # the platform

    def invited(self, whom: Sequence[Whom]) -> None:
        for each in whom:
            self.places.ask(each)
        self.place()

    def place(self) -> None:
        for placed in self.places.place(self.now):
            self.start(placed)

    def start(self, placed: Placed) -> None:
        self.cold_starts += placed.cold
        self.warm_starts += not placed.cold
        container = self.containers.get(placed.container)
        if container is None:
            name = str(placed.container)
            container = Container(placed.container, name, m.Machine(claims(name)))
            self.containers[placed.container] = container
        container.invoked = self.now
        container.memory_mb = 0
        self.tell(container, m.Invited(placed.whom.slot), self.now + placed.start_seconds)

    def left(self, container: Container) -> None:
        self.vain += not container.memory_mb
        memory_mb = container.memory_mb or self.facts.memory_mb[0]
        self.gb_seconds += (self.now - container.invoked) * memory_mb / MB_PER_GB
        self.places.free(container.number, self.now)
        self.place()

    # containers

    def tell(self, container: Container, event: m.Event, at: float) -> None:
        """What the machine wants done is done from ``at`` on, up to its next call."""
        todo = container.todo
        todo.extend(container.machine.handle(event))
        while todo:
            instruction = todo.popleft()
            match instruction:
                case m.Fetch():
                    at = self.fetch(container, instruction.assignment.bundle, at)
                case m.Execute():
                    at = self.execute(container, at)
                case m.Publish():
                    self.ask(container, instruction, at)
                case m.Claim():
                    self.later(at + self.half_trip, self.claim, (container, instruction))
                case m.Invite():
                    self.later(at + self.model.invocation, self.invited, instruction.whom)
                case m.Leave():
                    self.later(at, self.left, container)
                case _:
                    raise AssertionError(f"nothing goes wrong here, but {instruction}")

    def execute(self, container: Container, at: float) -> float:
        container.todo.extend(container.machine.handle(m.Ran()))
        return at + self.facts.running[container.machine.bundle]

    def ask(self, container: Container, publish: m.Publish, at: float) -> None:
        at += self.facts.storing[publish.bundle]
        self.bytes_up += self.facts.stored_bytes[publish.bundle]
        self.later(at + self.half_trip, self.publish, (container, publish))

    def fetch(self, container: Container, bundle: int, at: float) -> float:
        size, unpacking = self.turn_to(container, bundle, at)
        self.bytes_down += size
        at += self.download.at(size) if size else 0.0
        self.fetched[bundle] = at = at + unpacking
        container.todo.extend(container.machine.handle(m.Fetched()))
        return at

    def turn_to(self, container: Container, bundle: int, at: float) -> tuple[float, float]:
        """What comes from the store, as this container has not made it itself: bytes, and seconds
        of unpickling.
        """
        facts, made_by = self.facts, self.container
        made_by[bundle] = number = container.number
        size, unpacking = facts.constant_bytes[bundle], 0.0
        for place in range(facts.producer_offsets[bundle], facts.producer_offsets[bundle + 1]):
            if made_by[facts.producers[place]] != number:
                size += facts.producer_bytes[place]
                unpacking += facts.unpacking[place]
        container.memory_mb = max(container.memory_mb, facts.memory_mb[bundle])
        self.begun[bundle] = at
        return size, unpacking

    # calls, each acting at the moment at which the store has done it

    def serve(self) -> None:
        """One after another; events come in order, so the first to arrive is the first served."""
        self.calls += 1
        self.now = self.store_free = max(self.now, self.store_free) + self.model.store_service

    def serve_container(self) -> None:
        self.serve()
        self.quiet_looks = 0
        if not self.looking:
            self.look_later()

    def claim(self, call: tuple[Container, m.Claim]) -> None:
        container, claim = call
        self.serve_container()
        answer = self.run.claim(container.name, claim.claim, slot=claim.slot, invited=claim.invited)
        self.tell(container, m.Answered(answer), self.now + self.half_trip)

    def publish(self, call: tuple[Container, m.Publish]) -> None:
        container, publish = call
        self.serve_container()
        report = self.facts.report(publish.bundle, publish.claim)
        answer = self.run.publish(container.name, report, publish.following)
        self.finished[publish.bundle] = self.now
        self.tell(container, m.Answered(answer), self.now + self.half_trip)

    def look_later(self) -> None:
        self.looking = True
        self.later(self.looks.after(self.now), self.look, None)

    def look(self, _: None) -> None:
        """The client sweeps: who was invited and has not come is invited again."""
        if self.over:  # of which it was told
            return
        self.serve()
        condition = self.run.sweep((), live_seconds=1)
        if condition.invitations:
            at = self.now + self.half_trip + self.model.invocation
            self.later(at, self.invited, condition.invitations)
        self.quiet_looks += 1
        self.looking = False
        news = self.quiet_looks < QUIET_LOOKS or self.something_may_be_late
        if condition.status == OK and news:
            self.look_later()
