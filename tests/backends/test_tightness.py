"""Containers that have nearly all their memory in use."""

from __future__ import annotations

import math
import os

import pytest

from dask_serverless.backends.processes import resident_bytes
from dask_serverless.backends.tightness import MOST_SECONDS, Tightness

MIB = 1 << 20
ME = os.getpid()


@pytest.mark.parametrize(
    ("limit_mb", "used_mb", "tight"),
    [(2048, 1535, False), (2048, 1536, True), (512, 319, False), (512, 320, True), (128, 1, True),
     (0, 10_000, False)],
)  # fmt: skip
def test_when_nearly_all_is_in_use(limit_mb, used_mb, tight):
    assert Tightness(limit_mb).nearly_all(used_mb * MIB) is tight


def test_it_is_told_once_for_each_claim():
    tightness = Tightness(192)
    (words,) = tightness.look({ME: "k1"}).values()
    assert words.endswith(" MiB of its limit of 192 MiB")
    assert tightness.look({ME: "k1"}) == {}
    assert tightness.look({ME: "k2"}).keys() == {ME}


def test_one_with_room_is_looked_at_more_often_the_less_it_has():
    mine, waits = resident_bytes(ME) >> 20, []
    for room_mb in (600, 100_000):
        tightness = Tightness(2 * mine + room_mb)
        assert tightness.look({ME: "k"}) == {}
        waits.append(tightness.seconds_left())
    assert 0.0 <= waits[0] < waits[1] <= MOST_SECONDS


def test_without_a_limit_nobody_looks():
    assert Tightness(0).seconds_left() == math.inf
