"""The network to measure with: delays and rates are kept, and nothing is lost on the way."""

from __future__ import annotations

import os
import signal
import time
from math import inf

import pytest

from benchmarks.network.lane import Lane, Wire
from benchmarks.network.proxy import Proxy
from dask_serverless.errors import StoreUnreachable
from dask_serverless.store.connect import open_link
from dask_serverless.store.server import Server

RATE = 20e6
SIZE = 4_000_000  # a fifth of a second


@pytest.fixture
def server():
    server = Server()
    assert not server.wait_ready(10.0)
    yield server
    server.stop()


@pytest.fixture
def store(server):
    return server.url


def took(link, *commands):
    begun = time.perf_counter()
    link.call(*commands)
    return time.perf_counter() - begun


def test_bytes_follow_one_another_at_the_rate_and_arrive_a_delay_later():
    lane = Lane(Wire(1000), delay_seconds=0.5)
    assert lane.arrival(10.0, 100) == pytest.approx(10.6)
    assert lane.arrival(10.0, 100) == pytest.approx(10.7)
    assert lane.arrival(20.0, 100) == pytest.approx(20.6)


def test_lanes_with_a_shared_wire_wait_for_one_another():
    shared = Wire(1000)
    first, second = Lane(Wire(inf), shared), Lane(Wire(inf), shared)
    assert first.arrival(0.0, 1000) == pytest.approx(1.0)
    assert second.arrival(0.0, 1000) == pytest.approx(2.0)


def test_a_round_trip_takes_what_was_asked_for(store):
    with Proxy(store, rtt_seconds=0.02) as far, open_link(far.url) as link:
        trips = [took(link, ("PING",)) for _ in range(30)]
    assert 0.02 <= min(trips) <= 0.023  # waking three processes comes on top


def test_each_connection_has_its_rate_both_ways(store):
    data = os.urandom(SIZE)
    with Proxy(store, bytes_per_second=RATE) as far, open_link(far.url) as link:
        link.call(("PING",))
        least = SIZE / RATE
        up = min(took(link, ("SET", "data", data)) for _ in range(3))
        down = min(took(link, ("GET", "data")) for _ in range(3))
        assert link.call(("GET", "data")) == [data]
    assert 0.95 * least <= up <= 1.25 * least
    assert 0.95 * least <= down <= 1.25 * least


def test_all_connections_share_what_is_allowed_in_total(store):
    command = ("SET", "data", bytes(SIZE // 2))
    with (
        Proxy(store, total_bytes_per_second=RATE) as far,
        open_link(far.url) as one,
        open_link(far.url) as other,
    ):
        one.call(("PING",)), other.call(("PING",))
        begun = time.perf_counter()
        one._begin([command])
        other._begin([command])
        one.call(command)
        other.call(command)
        taken = time.perf_counter() - begun
    assert 0.95 * SIZE / RATE <= taken


def test_what_went_through_is_counted(store):
    with Proxy(store) as far, open_link(far.url) as link:
        link.call(("PING",))
        before = far.figures
        link.call(("SET", "data", bytes(SIZE)))
        after = far.figures
    assert SIZE < after.bytes_up - before.bytes_up < SIZE + 1000
    assert after.bytes_down - before.bytes_down == len("+OK\r\n")


def test_a_store_with_a_password_is_reached_with_it(server):
    with open_link(server.url) as link:
        link.call(("CONFIG", "SET", "requirepass", "s/cret@"))
    secret = server.url.replace("unix://", "unix://:s%2Fcret%40@")
    with Proxy(secret) as far, open_link(far.url) as link:
        assert link.call(("PING",)) == [b"PONG"]


def test_a_store_that_goes_takes_its_connections_along(server):
    with Proxy(server.url) as far, open_link(far.url, patience_seconds=0.1) as link:
        link.call(("PING",))
        server.stop()
        with pytest.raises(StoreUnreachable):
            link.call(("PING",))


def test_the_relay_ends_with_its_parent(store):
    """However it ends: the pipe closes."""
    far = Proxy(store)
    far._process.stdin.close()
    assert far._process.wait(5) == 0
    far._process.stdout.close()


def test_what_cannot_be_reached_through_a_proxy_is_refused():
    for url in ("redis+cluster://host:1", "rediss://host:1"):
        with pytest.raises(ValueError, match="certificate"):
            Proxy(url)


def test_a_relay_that_was_killed_says_so(store):
    far = Proxy(store)
    os.kill(far._process.pid, signal.SIGKILL)
    far._process.wait()
    with pytest.raises((ConnectionError, BrokenPipeError)):
        _ = far.figures
    far._process.stdout.close()
