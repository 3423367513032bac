"""Ahead: a world whose containers fetch, store and start ahead of need, as a plan asks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from dask_serverless.simulation.ahead_facts import AheadFacts
from dask_serverless.simulation.fetching_ahead import Part, Preloader, Streamer
from dask_serverless.simulation.model import BackendModel
from dask_serverless.simulation.near import Kept, NearWorld
from dask_serverless.simulation.world import MB_PER_GB, Container, World
from dask_serverless.worker import machine as m
from planners.plans.annotations import SUBMISSION


@dataclass(frozen=True)
class Threads:
    """Of one container."""

    preloader: Preloader
    streamer: Streamer

    def take(self, task: int) -> tuple[float, float]:
        for thread in (self.preloader, self.streamer):
            nbytes, until = thread.take(task)
            if nbytes:
                return nbytes, until
        return 0.0, 0.0


class AheadWorld(NearWorld):
    facts: AheadFacts

    def __init__(self, facts: AheadFacts, model: BackendModel) -> None:
        super().__init__(facts, model)
        self.threads: dict[int, Threads] = {}  # by container
        self.stored_parts: dict[int, dict[Part, float]] = {}  # task → those that are stored
        self.stored: set[int] = set()  # tasks, as far as they are not in a call that is under way

    def is_there(self, task: int) -> bool:
        """Whether it was announced, and nobody has it from memory alone."""
        return task in self.stored and self.finished[self.facts.maker(task)] > 0

    def size_of(self, task: int) -> float:
        return self.facts.size(task)

    # inputs

    def fetch(self, container: Container, bundle: int, at: float) -> float:
        """At its time: what was begun by then makes a difference."""
        if not self.facts.concerns(bundle) and container.number not in self.threads:
            return super().fetch(container, bundle, at)
        self.later(at, self.begin, (container, bundle))
        return at

    def begin(self, what: tuple[Container, int]) -> None:
        container, bundle = what
        size, unpacking = self.turn_to(container, bundle, self.now)
        self.start_others(bundle)
        self.ask_ahead(container, bundle)
        here = self.now
        if (threads := self.threads.get(container.number)) is not None:
            for task in self.facts.inputs_of(bundle):
                nbytes, until = threads.take(task)
                if nbytes and self.container[self.facts.maker(task)] != container.number:
                    size -= nbytes
                    here = max(here, until)
        if size > 0.5:  # bytes; else what is left over in sums
            self.bytes_down += size
            here = max(here, self.now + self.download.at(size))
        self.fetched[bundle] = here = here + unpacking
        self.tell(container, m.Fetched(), here)

    def ask_ahead(self, container: Container, bundle: int) -> None:
        """For what the container will run after this one."""
        facts = self.facts
        wants, coming = facts.wants.get(bundle, ()), facts.streams.coming.get(bundle, ())
        if not wants and not coming:
            return
        threads = self.threads.get(container.number)
        if threads is None:
            threads = self.threads[container.number] = Threads(Preloader(self), Streamer(self))
        large = [task for task in wants if facts.size(task) > facts.inline_bytes]
        if large:
            threads.preloader.ask(large)
        threads.streamer.ask(coming)
        for task in coming:
            for part, nbytes in self.stored_parts.get(task, {}).items():
                threads.streamer.tell(part, nbytes)

    def left(self, container: Container) -> None:
        if (threads := self.threads.get(container.number)) is not None:
            threads.preloader.leave()
        super().left(container)

    # outputs

    def execute(self, container: Container, at: float) -> float:
        """What leaves early does so in a thread; whoever stores the others waits for it."""
        end = super().execute(container, at)
        desk, bundle = self.desk(container), container.machine.bundle
        kept, clock = desk.under_way, at
        assert kept is not None
        for task, left in self.facts.early(bundle):
            begun = max(clock, end - left)
            if begun < end and kept.left[task] > self.facts.inline_bytes:
                clock = self.store_outputs(kept, [task], begun)
                self.calls += 1
        desk.giving_until = max(desk.giving_until, clock)
        return end

    def store_outputs(self, kept: Kept, tasks: Sequence[int], at: float) -> float:
        line, before = self.model.upload_line, 0.0
        for task in tasks:
            sizes = self.facts.parts(task)
            for number, (nbytes, sent) in enumerate(zip(sizes, accumulate(sizes), strict=True)):
                stored = at + line.at(before + sent) + self.half_trip
                self.later(stored, self.part_stored, ((task, number), nbytes))
            before += kept.left[task]
        self.stored.update(tasks)
        return super().store_outputs(kept, tasks, at)

    def part_stored(self, what: tuple[Part, float]) -> None:
        part, nbytes = what
        self.stored_parts.setdefault(part[0], {})[part] = nbytes
        for threads in self.threads.values():
            threads.streamer.tell(part, nbytes)

    # containers

    def live(self) -> World:
        self.start_others(SUBMISSION)
        return super().live()

    def start_others(self, trigger: int) -> None:
        for containers, seconds, _ in self.facts.starts.get(trigger, ()):
            due = self.now + self.model.invocation + seconds
            self.later(due, self.start_ahead, containers)

    def start_ahead(self, containers: int) -> None:
        """As far as there is room beside those that are there."""
        for _ in range(0 if self.over else containers):
            number = self.places.start_ahead(self.now)
            if number is not None:
                moment = self.places.coming[number]
                self.later(moment, self.places.came, number)
                self.gb_seconds += (moment - self.now) * self.facts.memory_mb[0] / MB_PER_GB
                self.asked_ahead += 1
