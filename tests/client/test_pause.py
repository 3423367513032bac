"""The garbage collector is off while a graph is built up and sent, and never longer."""

from __future__ import annotations

import gc
import operator
import threading

import dask
import pytest
from dask import delayed
from interrupts import at_every_step

from dask_serverless.client.pause import CollectorPaused
from dask_serverless.client.planning import Planning
from dask_serverless.client.results import Results
from dask_serverless.coordination.redis import RedisCoordination


@pytest.fixture(autouse=True)
def collector():
    assert gc.isenabled()
    yield
    enabled = gc.isenabled()
    gc.enable()
    assert enabled


def test_pauses_overlap_and_the_last_one_resumes():
    with CollectorPaused() as outer:
        with CollectorPaused() as inner:
            assert not gc.isenabled()
            outer.end()
            assert not gc.isenabled()
            inner.end()
            assert gc.isenabled()
        assert gc.isenabled()


def test_who_has_no_collector_keeps_having_none():
    gc.disable()
    with CollectorPaused(), CollectorPaused():
        pass
    assert not gc.isenabled()
    gc.enable()


def test_a_pause_that_nobody_ends_lasts_no_longer_than_the_next_one():
    pause = CollectorPaused()
    pause.__enter__()
    assert not gc.isenabled()
    del pause
    with CollectorPaused():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_an_interrupt_at_any_step_leaves_it_on(serverless):
    modules = tuple(f"dask_serverless.client.{name}" for name in ("pause", "run", "distribution"))
    steps = 0
    for steps in at_every_step(modules, lambda: serverless({"x": (abs, -1)}, "x")):
        assert gc.isenabled(), steps
    assert steps > 50


def test_pauses_of_many_threads_end():
    def pause():
        for _ in range(300):
            with CollectorPaused():
                pass

    threads = [threading.Thread(target=pause) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert gc.isenabled()


@pytest.fixture
def watched(monkeypatch):
    """Whether the collector was on, at the moments of a run that matter."""
    seen = {}

    def watch(owner, name):
        original = getattr(owner, name)

        def watching(*args, **kwargs):
            seen[name] = gc.isenabled()
            return original(*args, **kwargs)

        monkeypatch.setattr(owner, name, watching)

    watch(Planning, "plan")
    watch(RedisCoordination, "submit")
    watch(RedisCoordination, "sweep")
    watch(Results, "values")
    return seen


def tree(leaves):
    level = [delayed(abs)(i) for i in range(leaves)]
    while len(level) > 1:
        level = [delayed(operator.add)(a, b) for a, b in zip(level[::2], level[1::2], strict=True)]
    return level[0]


def test_it_is_off_until_a_large_graph_is_sent_and_on_while_it_runs(serverless, watched):
    (total,) = dask.compute(tree(1024), scheduler=serverless)
    assert total == 1023 * 512
    assert watched == {"plan": False, "submit": False, "sweep": True, "values": True}


def test_it_is_on_while_the_client_waits_for_a_small_graph(serverless, watched):
    assert dask.compute(delayed(abs)(-1), scheduler=serverless) == (1,)
    assert watched["submit"]
    assert watched["values"]


@pytest.mark.parametrize("graph", [{"a": (abs, "a")}, {"a": (abs, threading.Lock())}, 3])
def test_an_error_on_the_way_turns_it_on(serverless, graph):
    with pytest.raises(Exception):  # noqa: B017
        serverless(graph, "a")
    assert gc.isenabled()
