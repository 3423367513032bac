"""Worlds whose containers are killed at random moments: what a simulation does not model."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from math import inf
from random import Random

from dask_serverless.coordination.base import What
from dask_serverless.coordination.untold import Dead
from dask_serverless.simulation.model import BackendModel
from dask_serverless.simulation.simulation import world_of
from dask_serverless.simulation.world import Container, World
from planners.cost.platform import Platform
from planners.numbers.workload import Workload
from planners.plans.plan import Plan

NOTICED_SECONDS = 0.05  # from the end of a container until the client is told
MOST_CALLS = 100_000  # to the store: a run that needs more does not end


class Killed:
    """Of one world: the simulator's own, in which a container is gone now and then."""

    def __init__(self, world: World, random: Random, kills: int, until: float) -> None:
        self.world, self.random = world, random
        self.dead: dict[int, float] = {}  # ids of containers → when; numbers are never given twice
        self.gone: list[Container] = []
        self.runs: list[tuple[int, float, int]] = []  # bundle, when it had run, in which container
        self.usual = world.later, world.tell, world.facts.submission, world.facts.report
        self.usual_execute, world.execute = world.execute, self.execute
        world.later, world.tell = self.later, self.tell
        world.facts.submission, world.facts.report = self.submission, self.report
        for _ in range(kills):
            world.later(random.uniform(0.0, until), self.kill, None)

    def submission(self, *asked):
        return replace(self.usual[2](*asked), attempts=10**6)

    def report(self, bundle, claim):
        return replace(self.usual[3](bundle, claim), event=str(bundle).encode())

    # a dead container does nothing more, and its calls that are under way are lost

    def later(self, at, happen, what):
        def unless_dead(what):
            assert self.world.calls < MOST_CALLS, "the run does not end"
            if not self.is_dead(what):
                happen(what)

        self.usual[0](at, unless_dead, what)

    def tell(self, container, event, at):
        if id(container) not in self.dead:
            self.usual[1](container, event, at)

    def execute(self, container, at):
        bundle, end = container.machine.bundle, self.usual_execute(container, at)
        self.runs.append((bundle, end, id(container)))
        return end

    def first_runs(self):
        """When each bundle had run for the first time, as far as its container lived so long."""
        first = {}
        for bundle, end, container in self.runs:
            if self.dead.get(container, inf) >= end:
                first[bundle] = min(end, first.get(bundle, inf))
        return first

    def is_dead(self, what):
        of = what[0] if isinstance(what, tuple) else getattr(what, "container", what)
        return isinstance(of, Container) and id(of) in self.dead

    # kills

    def kill(self, _):
        world = self.world
        running = [each for each in world.containers.values() if self.is_running(each)]
        if world.over or not running:
            return
        container = self.random.choice(running)
        self.dead[id(container)] = world.now
        self.gone.append(container)
        del world.containers[container.number]
        threads = getattr(world, "threads", {}).pop(container.number, None)
        if threads is not None:
            threads.preloader.wanted.clear()
        getattr(world, "desks", {}).pop(container.number, None)
        world.places.running -= 1
        world.place()
        world.later(world.now + NOTICED_SECONDS, self.notice, container.name)

    def is_running(self, container):
        return container.number not in self.world.places.idle

    def notice(self, name):
        world = self.world
        if world.over:
            return
        condition = world.run.sweep([Dead(name, "killed")], 60)
        world.later(world.now, world.invited, condition.invitations)
        world.quiet_looks = 0
        if not world.looking:
            world.look_later()


def lives(
    workload: Workload,
    plan: Plan,
    model: BackendModel,
    platform: Platform,
    random: Random,
    kills: int,
    until: float,
) -> Killed:
    """To the end of the run."""
    world = world_of(workload, plan, platform, model, ())
    killed = Killed(world, random, kills, until)
    world.live()
    return killed


def check_counted(killed: Killed) -> None:
    """Each bundle is done once, after what it takes, and nothing of it waits or is under way."""
    world = killed.world
    record = world.run.record()
    events = world.run.news("0-0", 0).events
    done = Counter(int(event.payload) for event in events if event.what is What.FINISHED)
    assert done == Counter(range(world.facts.count))
    assert record.over == "done" and record.done == record.bundles == world.facts.count
    assert not record.working and not record.leases
    ran = killed.first_runs()
    for bundle in range(world.facts.count):
        first, last = world.facts.producer_offsets[bundle : bundle + 2]
        for producer in world.facts.producers[first:last]:
            assert ran[producer] <= world.begun[bundle]
