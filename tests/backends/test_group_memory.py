"""What the kernel says of a container's memory, in either version of its groups."""

from __future__ import annotations

import pytest

from dask_serverless.backends.cgroup_memory import Kills, group_memory

MIB = 1 << 20


@pytest.fixture(params=["v1", "v2"])
def group(request, tmp_path):
    """Writes what a container finds there."""
    first = request.param == "v1"
    folder = tmp_path / "memory" if first else tmp_path
    folder.mkdir(exist_ok=True)
    limit, events = ("memory.limit_in_bytes", "memory.oom_control") if first else (
        "memory.max", "memory.events",
    )  # fmt: skip

    def write(kills, limit_mb=256):
        (folder / limit).write_text(f"{limit_mb * MIB}\n")
        (folder / events).write_text(f"oom 7\noom_kill {kills}\n")
        return tmp_path

    return write


def test_the_limit_and_the_kills_are_read(group):
    found = group_memory(group(kills=3))
    assert (found.limit, found.kills) == (256 * MIB, 3)


def test_a_kill_before_somebody_began_is_no_reason_for_its_end(group):
    kills = Kills(group(kills=1))
    group(kills=2)  # a program that a task has started, say
    begun = kills.so_far
    assert not kills.took(begun)
    group(kills=3)
    assert kills.took(begun)


def test_each_kill_accounts_for_one_end(group):
    kills = Kills(group(kills=0))
    group(kills=2)
    assert [kills.took(0) for _ in range(3)] == [True, True, False]


def test_without_a_limit_of_its_own_or_a_count_nobody_knows(group, tmp_path):
    assert Kills(group(kills=0)).counted
    assert not Kills(group(kills=0, limit_mb=0)).counted
    assert not Kills(tmp_path / "none").counted
