"""What it gains to divide a bundle that takes too long: real parts and store, under virtual time."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from heapq import heappop, heappush

import pytest
from bundle_programs import apart

from dask_serverless.coordination.base import OVER, Report, Submission
from dask_serverless.coordination.memory import MemoryCoordination, MemoryStore
from dask_serverless.worker import parting
from dask_serverless.worker.bundle import Limit, decode, encode
from dask_serverless.worker.parting import Parting

PIECES, CONTAINERS = 32, 4
LOOK_SECONDS = 0.1  # until a container that had nothing to do asks again, as if it were invited
FORESEEN = Limit(2.0, 0.1)  # as its plan held possible; what it is worth to give to others


@dataclass
class Clock:
    now: float = 0.0


class World:
    """A bundle of tasks that need nothing of one another, and containers for it."""

    def __init__(self, seconds, limit):
        self.seconds, self.clock = seconds, Clock()
        self.run = MemoryCoordination(MemoryStore(clock=lambda: self.clock.now), "run", "epoch")
        spec = replace(apart(len(seconds)), limit=limit)
        self.run.submit(
            Submission(
                epoch="epoch",
                bundles=1,
                containers=CONTAINERS,
                lease_ms=10**9,
                attempts=1,
                live_seconds=1,
                header=b"",
                specs=[encode(spec)],
                blobs=(),
                ready=[(0, -1)],
            )
        )
        self.ran = Counter()  # tasks
        self.divisions = 0
        self.by = Counter()  # seconds of each container

    def live(self):
        """Until all containers have left; how long the run took."""
        turns, last = [], 0.0
        for number in range(CONTAINERS):
            heappush(turns, (0.0, number, self.container(f"c{number}")))
        while turns:
            self.clock.now, number, container = heappop(turns)
            for seconds in container:
                heappush(turns, (self.clock.now + seconds, number, container))
                break
            if self.run.record().over and not last:
                last = self.clock.now
        return last

    def container(self, name):
        """Yields how long it does what it does."""
        attempts = 0
        while True:
            attempts += 1
            claim = f"{name}.{attempts}"
            answer = self.run.claim(name, claim)
            if answer.status == OVER:
                return
            if answer.assignment is None:
                yield LOOK_SECONDS
                continue
            yield from self.bundle(name, claim, answer.assignment)

    def bundle(self, name, claim, assignment):
        bundle, spec = assignment.bundle, decode(assignment.spec, pytest.fail)

        def split(division):
            self.divisions += division is not None
            return self.run.split(name, bundle, claim, division)

        if spec.limit is None:
            parts, turns = None, [(0, len(spec.program), ())]
            program = spec.program
        else:
            parts = Parting(spec, bundle, spec.limit, split)
            program, turns = parts.program, parts.in_turn()
        for first, end, _ in turns:
            tasks = [step[0] for step in program[first:end]]
            self.ran.update(tasks)
            seconds = sum(self.seconds[task] for task in tasks)
            self.by[name] += seconds
            yield seconds
        left = spec if parts is None else parts.spec
        self.run.publish(name, Report(bundle, claim, (), left.children, left.releases, b""), "")


def lived(monkeypatch, seconds, limit):
    world = World(seconds, limit)
    monkeypatch.setattr(parting, "perf_counter", lambda: world.clock.now)
    makespan = world.live()
    assert world.ran == Counter(range(len(seconds))), "each task once, whoever had it"
    return makespan, world


ALIKE = [1.0] * PIECES
UNEQUAL = [0.25, 0.5, 1.0, 2.25] * (PIECES // 4)
LONG_FIRST = [8.0, *[0.75] * (PIECES - 1)]


@pytest.mark.parametrize("seconds", [ALIKE, UNEQUAL, LONG_FIRST], ids=["alike", "unequal", "long"])
def test_what_is_left_when_it_is_late_is_done_by_all_together(monkeypatch, seconds):
    alone, _ = lived(monkeypatch, seconds, None)
    together, world = lived(monkeypatch, seconds, FORESEEN)
    assert alone == pytest.approx(sum(seconds))
    late = next(n for n in range(PIECES) if sum(seconds[:n]) > FORESEEN.seconds)
    before = sum(seconds[:late])
    best = before + (alone - before) / CONTAINERS
    assert world.divisions >= 1 and len(world.by) == CONTAINERS
    assert best <= together <= 1.25 * best + max(seconds[late:])
    assert alone / together > 1.9


def test_a_bundle_that_takes_no_longer_than_foreseen_is_not_divided(monkeypatch):
    makespan, world = lived(monkeypatch, ALIKE, Limit(PIECES + 1.0, 0.1))
    assert (makespan, world.divisions) == (PIECES, 0)


def test_what_is_not_worth_a_call_stays_where_it_is(monkeypatch):
    makespan, world = lived(monkeypatch, ALIKE, Limit(2.0, 100.0))
    assert (makespan, world.divisions) == (PIECES, 0)
