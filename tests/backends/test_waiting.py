"""Invitations that wait for a container, and pages that say what a container holds."""

from __future__ import annotations

import math
import os
import timeit

import pytest

from dask_serverless.backends.cores import cores, quota
from dask_serverless.backends.pages import Held, Place, new_pages
from dask_serverless.backends.waiting import Waiting
from dask_serverless.blobs.lock import Lock
from dask_serverless.worker.invitation import Invitation


def invitation(run, **more):
    return Invitation(run, "epoch", "store", **more)


def waiting(*runs, most=4):
    queue = Waiting(most)
    for run in runs:
        queue.add(invitation(run))
    return queue


def order(queue):
    return "".join(queue.next().run for _ in range(len(queue)))


@pytest.mark.parametrize(
    ("came", "placed"),
    [("aaab", "abaa"), ("aabbc", "abcab"), ("aaaaaaab", "abaaa"), ("", "")],
)
def test_runs_take_turns_whatever_each_of_them_has(came, placed):
    assert order(waiting(*came)) == placed


def test_what_could_not_be_placed_keeps_its_turn():
    queue = waiting(*"aab")
    first = queue.next()
    queue.put_back(first)
    assert order(queue) == "aba"


def test_who_else_waits():
    queue = waiting("a")
    assert not queue.others("a")
    assert queue.others("b")
    queue.add(invitation("b", early=True))
    assert queue.others("a")
    assert not queue.begun("a")  # b may still be being planned
    assert queue.begun("b")
    queue.drop("b")
    assert not queue.others("a")


PLACE = Place("unix:///tmp/\udcff", "run", "epoch", "c-1", 15.0)


def test_a_page_tells_what_is_held():
    (page,) = new_pages(1)
    assert page.held() == Held()
    page.hold(PLACE, 7, "claim")
    assert page.held() == Held(7, 1, "claim", PLACE)
    page.drop()
    assert page.held() == Held(-1, 1, "", PLACE)
    locks = [Lock("key", "token", True, 500)]
    page.note_locks(locks)
    assert page.locks() == locks
    page.clear()
    assert (page.held(), page.locks()) == (Held(), [])


def test_a_page_is_shared_with_forks_and_read_whole():
    page, other = new_pages(2)
    child = os.fork()
    if child == 0:
        for number in range(200_000):
            page.hold(PLACE, number, f"claim-{number}")
        os._exit(0)
    claims = 0
    while not os.waitpid(child, os.WNOHANG)[0]:
        assert claims <= (claims := page.claims_so_far)
        held = page.held()
        if held.claim:
            assert held.claim == f"claim-{held.bundle}"
            assert held.claims == held.bundle + 1
    assert page.held().bundle == 199_999
    assert other.held() == Held()


def test_to_hold_a_claim_takes_microseconds():
    (page,) = new_pages(1)
    took = min(timeit.repeat(lambda: page.hold(PLACE, 7, "claim"), number=1000, repeat=5)) / 1000
    assert took < 20e-6


def written(folder, **files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_text(content)


@pytest.mark.parametrize(
    ("membership", "folder", "files", "expected"),
    [
        ("0::/a/b", "a/b", {"cpu__max": "150000 100000\n"}, 1.5),
        ("0::/a/b", "a", {"cpu__max": "200000 100000\n"}, 2.0),
        ("0::/a/b", "", {"cpu__max": "50000 100000\n"}, 0.5),
        ("0::/a/b", "a/b", {"cpu__max": "max 100000\n"}, math.inf),
        ("4:cpu,cpuacct:/x", "cpu/x", {"cpu__cfs_quota_us": "300000", "cpu__cfs_period_us": "100000"}, 3.0),
        ("4:cpu,cpuacct:/x", "cpu,cpuacct", {"cpu__cfs_quota_us": "-1", "cpu__cfs_period_us": "100000"}, math.inf),
        ("4:memory:/x", "memory/x", {"cpu__max": "1 2"}, math.inf),
        ("nonsense", "", {}, math.inf),
    ],
)  # fmt: skip
def test_the_share_of_cores_that_groups_allow(tmp_path, membership, folder, files, expected):
    written(tmp_path / "root" / folder, **files)
    known = tmp_path / "known"
    known.write_text(membership + "\n")
    assert quota(tmp_path / "root", known) == expected


def test_there_is_always_a_core(tmp_path):
    assert quota(tmp_path, tmp_path / "missing") == math.inf
    assert cores() >= 1
