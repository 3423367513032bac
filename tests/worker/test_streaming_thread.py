"""The thread that fetches parts as they come: what it takes, what it leaves, and when it ends."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from awaiting import eventually

from dask_serverless.blobs.ahead import Shelf
from dask_serverless.blobs.parted import PartedStorage
from dask_serverless.blobs.storage import Storage
from dask_serverless.coordination.parts import begun, in_turn
from dask_serverless.coordination.redis import RedisCoordination
from dask_serverless.store.connect import open_link
from dask_serverless.worker import streaming
from dask_serverless.worker.preloading import Side
from dask_serverless.worker.streaming import Streaming

VALUE = np.random.default_rng(1).random(3 << 17)  # 3 MiB


class Producer:
    """Whoever stores outputs of a run that streams them."""

    def __init__(self, link):
        self.link = link
        self.blobs = PartedStorage.of(Storage()).open(link)
        self.link.call(*begun("run"))

    def store(self, task, claim, parts=None):
        """The keys of as many parts as it got to."""
        commands = in_turn("run", task, self.blobs.put(f"run/{claim}-0", VALUE).commands)
        self.link.call(*commands[: None if parts is None else 2 * parts])
        return [key for name, key, *_ in commands if name == "SET"]


@pytest.fixture
def producer(link):
    return Producer(link)


@pytest.fixture
def waiting(link, store_url, monkeypatch):
    monkeypatch.setattr(streaming, "WAIT_SECONDS", 0.05)
    closed = threading.Event()

    def side():
        other = open_link(store_url)
        blobs = PartedStorage.of(Storage()).open(other)

        def close():
            other.close()
            closed.set()

        return Side(RedisCoordination(other, "run", "epoch"), blobs, close)

    waiting = Streaming("run", Shelf(), side)
    waiting.closed = closed
    yield waiting
    waiting.stop()
    eventually(lambda: waiting.thread is None)


def here(waiting):
    return {key.decode() for key in waiting.shelf.here}


def test_parts_are_fetched_while_others_are_still_to_come(waiting, producer):
    waiting.ask([3])
    keys = producer.store(3, "k1", parts=2)
    eventually(lambda: here(waiting) == set(keys[:2]))
    producer.store(3, "k1")
    eventually(lambda: here(waiting) == set(keys))


def test_what_was_told_before_somebody_asked_is_fetched_too(waiting, producer):
    keys = producer.store(3, "k1")
    waiting.ask([3])
    eventually(lambda: here(waiting) == set(keys))


def test_outputs_that_nobody_wants_here_are_left_alone(waiting, producer):
    waiting.ask([3])
    producer.store(4, "k1")
    keys = producer.store(3, "k2")
    eventually(lambda: here(waiting) == set(keys))


def test_keys_outside_the_runs_own_blobs_are_never_read(waiting, producer, link):
    waiting.ask([3])
    for key in ("ds:{run}:header", "ds:blob:other/k1-0:0", "secret"):
        link.call(("SET", key, "x" * 100))
        link.call(*in_turn("run", 3, [("SET", key, b"x" * 100)])[1:])
    keys = producer.store(3, "k1")
    eventually(lambda: here(waiting) == set(keys))


def test_parts_of_attempts_that_came_to_nothing_are_dropped_with_the_output(waiting, producer):
    waiting.ask([3])
    lost, keys = producer.store(3, "k1", parts=2), producer.store(3, "k2")
    eventually(lambda: here(waiting) == {*lost[:2], *keys})
    waiting.took([3])
    assert not here(waiting) and waiting.closed.wait(30)  # there is nothing more to come


def test_a_part_that_is_gone_by_now_is_not_here(waiting, producer, link):
    keys = producer.store(3, "k1")
    link.call(("DEL", keys[0]))
    waiting.ask([3])
    eventually(lambda: here(waiting) == set(keys[1:]))


def test_it_takes_no_more_than_there_is_room_for(waiting, producer, monkeypatch):
    monkeypatch.setattr(streaming, "MOST_BYTES", 2 << 20)
    waiting.ask([3])
    keys = producer.store(3, "k1")
    eventually(lambda: len(here(waiting)) == 2)
    assert here(waiting) < set(keys)


def test_it_does_not_outlive_the_containers_work_on_the_run(waiting, producer, monkeypatch):
    monkeypatch.setattr(streaming, "AWAY_SECONDS", 0.05)
    waiting.ask([3])
    producer.store(3, "k1", parts=1)
    eventually(lambda: here(waiting))
    waiting.leave()
    assert waiting.closed.wait(30)
    eventually(lambda: waiting.thread is None)
    assert not here(waiting) and not waiting.wanted


def test_a_store_that_fails_ends_it_and_nothing_else(waiting, producer, link):
    link.call(("DEL", "ds:{run}:parts"))
    link.call(("SET", "ds:{run}:parts", "no stream"))
    waiting.ask([3])
    assert waiting.closed.wait(30)
    eventually(lambda: waiting.thread is None)
    assert not waiting.wanted
