"""Ctrl-C at any step of an exchange with the store: the next one is in order."""

from __future__ import annotations

import subprocess
import sys

import pytest
from interrupts import at_every_step

from dask_serverless.store.address import parse
from dask_serverless.store.connect import open_link
from dask_serverless.store.link import Link
from dask_serverless.store.script import Script

STORE = ("dask_serverless.store",)
ADD = Script("return redis.call('SADD', KEYS[1], ARGV[1])")


@pytest.fixture
def link(url: str) -> Link:
    return Link(parse(url), patience_seconds=5)


def test_an_interrupted_call_leaves_the_next_one_its_own_answer(link: Link) -> None:
    link.call(("SET", "a", 1))
    steps = 0
    for _ in at_every_step(STORE, lambda: link.call(("INCR", "b"), ("GET", "b"))):
        steps += 1
        assert link.call(("GET", "a")) == [b"1"]
    assert steps > 20


def test_an_interrupted_post_is_carried_out_and_leaves_the_next_call_its_own_answer(
    link: Link,
) -> None:
    def post_and_call() -> None:
        link.post(link.script(ADD, ["posted"], [number]))
        assert link.call(("GET", "a")) == [b"1"]

    link.call(("SET", "a", 1))
    number = 0
    post_and_call()
    for number in at_every_step(STORE, post_and_call):
        assert link.call(("GET", "a")) == [b"1"], number
        link.post(link.script(ADD, ["posted"], ["between"]))
    assert number > 50
    link.finish()
    assert link.call(("SISMEMBER", "posted", "between")) == [1]


def test_an_interrupted_call_to_a_cluster_leaves_the_next_one_its_own_answer(
    cluster_urls: list[str],
) -> None:
    keys = [f"key:{number}" for number in range(4)]
    with open_link(cluster_urls[0]) as link:
        link.call(*[("SET", key, key) for key in keys])
        for step in at_every_step(STORE, lambda: link.call(*[("STRLEN", key) for key in keys])):
            if step % 5 == 0:  # there are hundreds, and each opens three connections anew
                assert link.call(*[("GET", key) for key in keys]) == [k.encode() for k in keys]


def test_a_signal_while_numbers_are_packed_does_not_crash() -> None:
    """hiredis made strings of numbers itself, and followed a NULL when a handler raised."""
    script = """
import signal
from dask_serverless.store.resp import buffers_of
class Alarm(Exception):
    pass
def raise_alarm(*_):
    raise Alarm
signal.signal(signal.SIGALRM, raise_alarm)
for alarms in range(3000):
    try:
        signal.setitimer(signal.ITIMER_REAL, 1e-4)
        while True:
            buffers_of([("SET", *range(50))])
    except Alarm:
        pass
print("alive")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "alive\n"), done.stderr[-500:]
