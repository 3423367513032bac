"""The thread that fetches ahead: what it waits for, and when it ends."""

from __future__ import annotations

import threading

import pytest
from awaiting import eventually

from dask_serverless.blobs.blobs import Blobs
from dask_serverless.blobs.memory import Memory
from dask_serverless.errors import StoreUnreachable
from dask_serverless.worker import preloading
from dask_serverless.worker.preloading import Preloading, Side


class Outputs:
    """Where outputs are: all that the thread asks of a run."""

    def __init__(self):
        self.references = {}
        self.broken = False

    def outputs(self, tasks):
        if self.broken:
            raise StoreUnreachable("here", "gone")
        return [self.references.get(task) for task in tasks]


@pytest.fixture
def run():
    return Outputs()


@pytest.fixture
def place():
    return Memory()


@pytest.fixture
def loading(run, place):
    closed = threading.Event()
    loading = Preloading(lambda: Side(run, Blobs(place), closed.set))
    loading.closed = closed
    yield loading
    loading.stop()
    eventually(lambda: loading.thread is None)


def test_an_output_is_fetched_as_soon_as_it_is_stored(loading, run, place):
    loading.ask([3])
    eventually(lambda: loading.calls > 2)  # it looks, and there is nothing yet
    run.references[3] = place.put("three", [b"3"]).reference
    eventually(lambda: run.references[3] in loading.shelf.here)
    assert loading.closed.wait(5) and loading.thread is None  # there is nothing more to come


def test_what_travels_inline_needs_no_fetching(loading, run):
    run.references[3] = b"i..."
    loading.ask([3])
    assert loading.closed.wait(5)
    assert not loading.shelf.here


def test_more_is_asked_for_while_it_waits_and_after_it_ended(loading, run, place):
    loading.ask([1])
    loading.ask([2])
    for task in (1, 2, 3):
        run.references[task] = place.put(f"{task}", [b"."]).reference
    eventually(lambda: len(loading.shelf.here) == 2)
    loading.closed.wait(5)
    loading.ask([3])
    eventually(lambda: len(loading.shelf.here) == 3)


def test_a_store_that_fails_ends_it_and_nothing_else(loading, run):
    run.broken = True
    loading.ask([3])
    assert loading.closed.wait(5)
    eventually(lambda: loading.thread is None)
    assert not loading.wanted


def test_it_does_not_outlive_the_containers_work_on_the_run(loading, monkeypatch):
    monkeypatch.setattr(preloading, "AWAY_SECONDS", 0.05)
    loading.ask([3])
    loading.leave()
    assert loading.closed.wait(5)
