"""Parts that are told of: over the memory twin and over a real server, signed or not."""

from __future__ import annotations

import threading

import msgpack
import pytest
from bundle_graphs import Graph

from dask_serverless.blobs.base import LIVE_SECONDS
from dask_serverless.coordination.parts import (
    FROM_THE_START,
    Part,
    begun,
    in_turn,
    parts_in,
    parts_key,
)

CHAIN = Graph([[], [0]])
PARTS = [Part(7, "ds:blob:run/k1-0:0", 3), Part(7, "ds:blob:run/k1-0:1", 2)]


def stored(task, *parts):
    commands = [("SET", key, data, "EX", LIVE_SECONDS) for key, data in parts]
    return in_turn("run", task, commands)


def both():
    return stored(7, ("ds:blob:run/k1-0:0", b"abc"), ("ds:blob:run/k1-0:1", b"de"))


@pytest.fixture
def run(coordination):
    run = coordination()
    run.submit(CHAIN.submission(), begun("run"))
    return run


def test_parts_are_told_of_in_turn_and_once(run):
    run.write(both())
    told = run.parts(FROM_THE_START, 0)
    assert list(told.parts) == PARTS
    assert not run.parts(told.last, 0).parts
    run.write(stored(8, ("ds:blob:run/k2-0:0", b"f")))
    assert list(run.parts(told.last, 0).parts) == [Part(8, "ds:blob:run/k2-0:0", 1)]


def test_whoever_waits_is_told_at_once(run, coordination):
    found = []
    other = coordination()
    last = other.parts(FROM_THE_START, 0).last
    asking = threading.Thread(target=lambda: found.append(other.parts(last, 60)))
    asking.start()
    run.write(both())
    asking.join(30)
    assert found[0].parts[0] == PARTS[0]


def test_they_go_with_the_call_that_announces_the_output(run):
    run.claim("c1", "k1")
    run.publish("c1", CHAIN.report(0, "k1", b"r2 ds:blob:run/k1-0"), "", both())
    assert list(run.parts(FROM_THE_START, 0).parts) == PARTS


def test_after_the_end_nothing_is_told_nor_left(run):
    run.write(both())
    run.close()
    run.write(both())
    assert not run.parts(FROM_THE_START, 0).parts


def test_a_run_that_streams_nothing_has_no_such_key(coordination, link):
    run = coordination()
    run.submit(CHAIN.submission())
    link.call(*both())
    assert link.call(("EXISTS", parts_key("run"))) == [0]


@pytest.mark.parametrize(
    "told",
    [b"", b"\xff", "text", msgpack.packb([1]), msgpack.packb(["task", "key", 1]),
     msgpack.packb([1, "key", 0]), msgpack.packb([1, b"key", 1]), msgpack.packb(3)],
)  # fmt: skip
def test_what_somebody_else_has_written_there_is_passed_over(told):
    assert parts_in(told) == []
