"""Locks across containers: like a threading.Lock for tasks, never with two holders."""

from __future__ import annotations

import ctypes
import os
import signal
import threading
import time

import dask
import pytest
from awaiting import eventually
from dask import delayed
from dask.utils import SerializableLock

from dask_serverless import Serverless
from dask_serverless.blobs.lock import Lock, Locks, StoreLock, release, renew
from dask_serverless.store.connect import open_link


@pytest.fixture
def locks(store_url, link, monkeypatch):
    noted = []
    locks = Locks(open_link, store_url, 5.0, noted.append)
    locks.noted = noted
    monkeypatch.setattr(StoreLock, "locks", locks)
    return locks


def other_container(store_url):
    return Locks(open_link, store_url, 5.0, lambda locks: None)


def test_it_is_used_like_a_lock_of_threading(locks, link):
    lock = StoreLock("one")
    assert not lock.locked()
    with lock as taken:
        assert taken is True
        assert lock.locked()
        assert lock.acquire(blocking=False) is False
        assert lock.acquire(timeout=0.05) is False
        assert StoreLock("another").acquire(blocking=False)
    assert not lock.locked()
    with pytest.raises(RuntimeError, match="unlocked"):
        lock.release()
    for arguments in ((False, 1), (True, -2)):
        with pytest.raises(ValueError):
            lock.acquire(*arguments)


def test_another_thread_of_the_task_may_release_it(locks):
    lock = StoreLock("one")
    assert lock.acquire()
    thread = threading.Thread(target=lock.release)
    thread.start()
    thread.join()
    assert lock.acquire(timeout=5)


def test_many_threads_of_one_task_take_turns(locks):
    lock, inside, most = StoreLock("one"), [], []

    def work():
        for _ in range(5):
            with lock:
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert most == [1] * 30


def test_only_its_holder_renews_and_releases_it(locks, link, store_url):
    lock = StoreLock("one")
    assert lock.acquire()
    (held,) = locks.taken.values()
    stranger = Lock(held.key, "someone else's", held=True, lease_ms=60_000)
    assert renew(link, held)
    assert not renew(link, stranger)
    assert not release(link, stranger)
    assert not other_container(store_url).take(held.key)
    assert 0 < link.call(("PTTL", held.key))[0] <= 5000
    assert release(link, held)
    assert not release(link, held)


def test_whoever_frees_them_knows_of_a_lock_before_the_store_does(locks, link):
    lock = StoreLock("one")
    with lock:
        pass
    states = [[lock.held for lock in noted] for noted in locks.noted]
    assert states == [[False], [True], [False], []]


def test_what_a_bundle_has_not_given_back_is_free_after_it(locks, link):
    lock = StoreLock("one")
    assert lock.acquire()
    locks.end()
    assert not lock.locked()
    assert locks.noted[-1] == ()
    with pytest.raises(RuntimeError):
        lock.release()


@pytest.mark.parametrize("name", ["x" * 10_000, "ü", "\udcff", 7], ids=["long", "text", "odd", "7"])
def test_any_name(locks, name):
    with StoreLock(name) as taken:
        assert taken
        assert not StoreLock(name).acquire(blocking=False)


def test_more_locks_than_can_be_kept_are_an_error_and_no_lost_lock(locks):
    from dask_serverless.backends.pages import new_pages

    (page,) = new_pages(1)
    locks.note = page.note_locks
    with pytest.raises(RuntimeError, match="more locks"):
        for number in range(100_000):
            assert StoreLock(str(number)).acquire(blocking=False)
    assert len(page.locks()) > 100
    locks.end()
    assert page.locks() == []


# In containers


def overlap(lock, path, seconds):
    with lock:
        with open(path, "a") as file:
            file.write(f"in {os.getpid()}\n")
        ctypes.PyDLL(None).sleep(seconds)
        with open(path, "a") as file:
            file.write(f"out {os.getpid()}\n")


def test_a_lock_is_kept_while_its_holder_blocks_the_interpreter(tmp_path):
    lock, path = SerializableLock("kept"), tmp_path / "path"
    with Serverless(containers=2, lease_seconds=0.5) as client:
        dask.compute([delayed(overlap)(lock, path, 2) for _ in range(2)], scheduler=client)
    lines = [line.split() for line in path.read_text().splitlines()]
    assert [line[0] for line in lines] == ["in", "out", "in", "out"]
    assert lines[0][1] == lines[1][1]


def test_threads_of_a_task_share_a_lock_with_other_containers(tmp_path):
    lock, path = SerializableLock("threads"), tmp_path / "count"
    path.write_text("0")

    def work():
        def add():
            for _ in range(5):
                with lock:
                    count = int(path.read_text())
                    time.sleep(0.001)
                    path.write_text(str(count + 1))

        threads = [threading.Thread(target=add) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    with Serverless(containers=2) as client:
        dask.compute([delayed(work)() for _ in range(4)], scheduler=client)
    assert path.read_text() == "80"


def test_a_lock_that_a_task_forgets_is_free_for_the_next_bundle():
    lock = SerializableLock("forgotten")

    def forget():
        lock.acquire()
        raise ValueError("mine")

    with Serverless(containers=1) as client:
        with pytest.raises(ValueError, match="mine"):
            dask.compute(delayed(forget)(), scheduler=client)
        taken = delayed(lambda: lock.acquire(timeout=5))()
        assert dask.compute(taken, scheduler=client) == (True,)


def test_the_lock_of_a_container_that_died_is_free_at_once(tmp_path):
    """Also long before its lease ends."""
    lock, marker = SerializableLock("died"), tmp_path / "died"

    def die_once():
        with lock:
            if not marker.exists():
                marker.touch()
                os.kill(os.getpid(), signal.SIGKILL)
        return 1

    with Serverless(containers=2, lease_seconds=60) as client:
        started = time.monotonic()
        assert dask.compute(delayed(die_once)(), scheduler=client) == (1,)
        assert time.monotonic() - started < 10


def test_a_client_that_is_gone_leaves_no_lock_in_a_store_of_others(tmp_path, link, store_url):
    from clients import Client

    source = f"""
    from dask.utils import SerializableLock
    lock = SerializableLock("left")
    def hold():
        lock.acquire()
        open({str(tmp_path / "held")!r}, "w").close()
        time.sleep(60)
    dask.compute(delayed(hold)(), scheduler=Serverless(containers=1, store={store_url!r}))
    """
    with Client(tmp_path, source) as script:
        eventually((tmp_path / "held").exists)
        script.kill()
        eventually(lambda: not script.left())
        assert link.call(("KEYS", "*")) == [[]]
