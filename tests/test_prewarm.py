"""Pre-warmed containers: asked for as a bundle begins, there when others need them."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, replace

import dask
import in_process
import pytest
from awaiting import eventually
from clients import children
from dask.delayed import delayed
from naps import nap

from benchmarks.network.apart import Apart
from dask_serverless import Serverless
from dask_serverless.backends.warming import Warming
from dask_serverless.blobs.blobs import Blobs
from dask_serverless.blobs.memory import Memory
from dask_serverless.coordination.memory import MemoryStore
from dask_serverless.worker.invitation import Invitation
from dask_serverless.worker.means import Means
from dask_serverless.worker.shell import Shell
from planners.plans.annotations import SUBMISSION, StartContainers
from planners.registry import planner_named

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc")

COLD_SECONDS = 0.6
IDLE_SECONDS = 1.5
CONTAINERS = 4


@dataclass(frozen=True)
class Planned:
    """Each task a bundle; ``trigger`` starts containers."""

    notes: tuple[StartContainers, ...] = ()

    name = "planned"

    def plan(self, dag, resources):
        return replace(planner_named("wukong").plan(dag, resources), annotations=self.notes)


def start(trigger, containers=CONTAINERS - 1, delay=0.0):
    return StartContainers(0.0, trigger, 1, containers, delay)


def fan_out():
    """One task, and then as many as there are containers."""
    top = delayed(nap, pure=False)(0.8)
    return delayed(sum, pure=False)([delayed(nap, pure=False)(0.5, top) for _ in range(4)])


@pytest.fixture(scope="module")
def platform():
    """Containers that take long to come up, and soon leave."""
    backend = Apart(CONTAINERS, cold_seconds=COLD_SECONDS, idle_seconds=IDLE_SECONDS)
    scheduler = Serverless(backend=backend)
    yield scheduler
    scheduler.close()


def computed(platform, *notes):
    """From no containers at all, under a nursery that is up."""
    dask.compute(delayed(abs)(-1), scheduler=platform)
    eventually(lambda: not children(platform._engine.backend.process.pid))
    scheduler = platform.options(planner=Planned(notes))
    assert dask.compute(fan_out(), scheduler=scheduler) == (4,)
    return scheduler.last_run


@pytest.fixture(scope="module")
def without(platform):
    return computed(platform)


def test_containers_that_were_asked_for_ahead_save_their_cold_start(platform, without):
    with_it = computed(platform, start(0))
    saved = without.makespan_seconds - with_it.makespan_seconds
    assert saved > 0.5 * COLD_SECONDS
    assert 0.5 * COLD_SECONDS < with_it.optimizations["prewarm"].saved_seconds < 10 * COLD_SECONDS


def test_the_client_asks_where_the_plan_says_so_at_submission(platform, without):
    with_it = computed(platform, start(SUBMISSION, delay=0.1))
    assert without.makespan_seconds - with_it.makespan_seconds > 0.5 * COLD_SECONDS
    assert with_it.optimizations["prewarm"].saved_seconds > 0.5 * COLD_SECONDS


def test_there_are_never_more_containers_than_allowed():
    scheduler = Serverless(containers=2, planner=Planned((start(0, containers=9),)))
    try:
        assert dask.compute(fan_out(), scheduler=scheduler) == (4,)
        nursery = scheduler._engine.backend.process.pid
        keeper = 1
        assert len(children(nursery)) <= 2 + keeper
    finally:
        scheduler.close()


def test_what_is_due_after_its_run_is_not_started():
    scheduler = Serverless(containers=4)
    quick = delayed(sum)([delayed(abs)(-1)])
    try:
        dask.compute(quick, scheduler=scheduler.options(planner=Planned((start(0, delay=1.0),))))
        dask.compute(quick, scheduler=scheduler)  # the nursery hears of the first one's end
        nursery = scheduler._engine.backend.process.pid
        before = len(children(nursery))
        time.sleep(1.5)
        assert len(children(nursery)) <= before
    finally:
        scheduler.close()


def test_a_container_that_is_only_to_be_warm_works_on_nothing():
    """Where a platform starts containers by nothing but invocations, this is one more of them."""
    store = MemoryStore()
    connections = in_process.OneRun(store, Blobs(Memory()))
    means = Means("c", connections, in_process.fail, in_process.fail, in_process.Unkept())
    invitation = Invitation("run", "epoch", "memory").to_be_warm(3.0)
    assert Shell(means).work(invitation) is True


def test_they_come_when_they_are_due():
    warming = Warming()
    soon, later = (Invitation("run", "epoch", "store").to_be_warm(s) for s in (1.0, 2.0))
    warming.add(later, 10.0)
    warming.add(soon, 10.0)
    assert warming.due_at == 11.0 and warming.due(10.9) == []
    assert warming.due(11.0) == [soon]
    assert warming.due(99.0) == [later] and warming.due_at is None
