"""Outputs that a thread stores while their bundle still runs: what it stores, and what it leaves."""

from __future__ import annotations

import numpy as np
import pytest

from dask_serverless.blobs.parted import PartedStorage
from dask_serverless.blobs.storage import Storage
from dask_serverless.coordination.redis import RedisCoordination
from dask_serverless.errors import StoreUnreachable
from dask_serverless.store.connect import open_link
from dask_serverless.worker.attempt import Attempt
from dask_serverless.worker.early import Early
from dask_serverless.worker.in_parts import InParts
from dask_serverless.worker.preloading import Side

LARGE = np.random.default_rng(1).random(1 << 18)  # 2 MiB


@pytest.fixture
def blobs(link):
    return PartedStorage.of(Storage()).open(link)


@pytest.fixture
def attempt():
    return Attempt("run", "container", 0, "k1")


@pytest.fixture
def early(store_url, blobs, attempt):
    def side():
        link = open_link(store_url)
        return Side(RedisCoordination(link, "run", "epoch"), blobs, link.close)

    return Early({1, 2, 3}, attempt.names(), InParts("run", (), blobs), side)


def ran(early, task, value):
    assert early.task([(task, 0, (), None)], 0.0, 1.0, {task: value})


def test_large_outputs_are_stored_under_names_without_a_gap(early, blobs):
    ran(early, 1, LARGE)
    ran(early, 2, "small: it stays for the call that announces it")
    ran(early, 3, LARGE + 1)
    ran(early, 4, LARGE)  # not asked for
    sent = early.finish()
    assert [one.task for one in sent] == [1, 3] and not early.failed
    assert not any(one.stored.commands for one in sent)
    values = blobs.get([one.stored.reference for one in sent])
    np.testing.assert_array_equal(values, [LARGE, LARGE + 1])
    blobs.forget("run", ["k1"])
    assert blobs.large.link.call(("DBSIZE",)) == [0]


def test_a_store_that_is_full_leaves_them_to_the_end_under_another_name(early, link, attempt):
    link.call(("CONFIG", "SET", "maxmemory", 1))
    try:
        ran(early, 1, LARGE)
        assert not early.finish()
    finally:
        link.call(("CONFIG", "SET", "maxmemory", 0))
    attempt.skipped += early.failed
    assert next(attempt.names()) == "run/k1-1"


def test_a_store_that_cannot_be_reached_leaves_them_to_the_end(early, attempt):
    def unreachable():
        raise StoreUnreachable("here", "gone")

    early.open_side = unreachable
    ran(early, 1, LARGE)
    assert not early.finish() and not early.failed


def test_what_cannot_be_pickled_is_left_to_whoever_says_so(early):
    ran(early, 1, (value for value in ()))
    ran(early, 3, LARGE)
    assert not early.finish()


def test_an_attempt_that_came_to_nothing_ends_the_thread(early):
    ran(early, 1, LARGE)
    early.give_up()
    early.thread.join(30)
    assert not early.thread.is_alive()
