"""Several threads compute with one client: a short run waits for one bundle, not for a long run."""

from __future__ import annotations

import threading
import time

import dask
import pytest
from awaiting import eventually
from dask import delayed

from dask_serverless import Serverless

LONG_SECONDS = 0.3


def note_and_sleep(folder, i):
    (folder / str(i)).touch()
    time.sleep(LONG_SECONDS)
    return i


@pytest.fixture
def client():
    with Serverless(containers=2) as client:
        dask.compute([delayed(abs)(-i) for i in range(8)], scheduler=client)  # warm
        yield client


def begun(function):
    thread = threading.Thread(target=function)
    thread.start()
    return thread


@pytest.mark.parametrize("tasks", [10, 24])
def test_a_short_run_gets_a_container_within_one_bundle_of_a_long_one(client, tmp_path, tasks):
    found = []
    graph = [delayed(note_and_sleep)(tmp_path, i) for i in range(tasks)]
    long = begun(lambda: found.extend(dask.compute(graph, scheduler=client)))
    eventually(lambda: len(list(tmp_path.iterdir())) >= 2)  # all containers are busy
    waits = []
    for _ in range(3):
        started = time.monotonic()
        assert dask.compute(delayed(abs)(-1), scheduler=client) == (1,)
        waits.append(time.monotonic() - started)
    assert long.is_alive()
    long.join()
    assert found == [list(range(tasks))]
    assert max(waits) < 2.5 * LONG_SECONDS
    assert len(list(tmp_path.iterdir())) == tasks


def test_three_runs_take_turns(client, tmp_path):
    ends = {}

    def run(name, tasks):
        folder = tmp_path / name
        folder.mkdir()
        graph = [delayed(note_and_sleep)(folder, i) for i in range(tasks)]
        dask.compute(graph, scheduler=client)
        ends[name] = time.monotonic()

    long = begun(lambda: run("long", 16))
    eventually(lambda: len(list(tmp_path.glob("long/*"))) >= 2)
    started = time.monotonic()
    others = [begun(lambda n=n: run(f"short-{n}", 2)) for n in range(2)]
    for thread in others:
        thread.join()
    waited = time.monotonic() - started
    assert len(list(tmp_path.glob("long/*"))) < 16, "the long one was not done before"
    assert waited < 12 * LONG_SECONDS
    long.join()


def test_containers_that_wait_for_a_run_being_planned_serve_others_meanwhile(tmp_path):
    planning, go_on = threading.Event(), threading.Event()

    class Slow:
        name = "slow"

        def __init__(self, planner):
            self.planner = planner

        def plan(self, dag, resources):
            if dag.tasks > 2:
                planning.set()
                assert go_on.wait(30)
            return self.planner.plan(dag, resources)

    from planners.registry import planner_named

    with Serverless(containers=2, planner=Slow(planner_named("structural"))) as client:
        dask.compute(delayed(abs)(-1), scheduler=client)
        found = []
        graph = [delayed(abs)(-i) for i in range(5)]
        slow = begun(lambda: found.append(dask.compute(graph, scheduler=client)))
        assert planning.wait(30)
        time.sleep(0.1)  # its containers wait in the store by now
        started = time.monotonic()
        for _ in range(5):
            assert dask.compute(delayed(abs)(-1), scheduler=client) == (1,)
        assert time.monotonic() - started < 1.0
        go_on.set()
        slow.join()
        assert found == [([0, 1, 2, 3, 4],)]


def test_a_run_whose_containers_were_called_away_while_it_was_planned_starts_at_once(tmp_path):
    """The invitations that were called away come back: nobody waits for the next look."""
    planned = threading.Event()
    from planners.registry import planner_named

    class Slow:
        name = "slow"
        planner = planner_named("structural")

        def plan(self, dag, resources):
            if dag.tasks > 2:
                time.sleep(0.5)
                planned.set()
            return self.planner.plan(dag, resources)

    with Serverless(containers=1, planner=Slow()) as client:
        dask.compute(delayed(abs)(-1), scheduler=client)
        ended = []
        graph = [delayed(abs)(-i) for i in range(5)]

        def slow():
            dask.compute(graph, scheduler=client)
            ended.append(time.monotonic())

        thread = begun(slow)
        while not planned.is_set():
            dask.compute(delayed(abs)(-1), scheduler=client)
        planned_at = time.monotonic()
        thread.join()
        assert ended[0] - planned_at < 0.7
