"""Containers of this host: their nursery, their messages, their ends."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path

import dask
import pytest
from awaiting import eventually
from clients import children, commandline
from dask import delayed

from dask_serverless import Serverless
from dask_serverless.backends.lines import Lines
from dask_serverless.backends.messages import Idle, Opening, Trouble, line_of
from dask_serverless.backends.nursery import Nursery
from dask_serverless.backends.pages import new_pages
from dask_serverless.backends.processes import ended
from dask_serverless.backends.ward import Ward
from dask_serverless.backends.words import Words
from dask_serverless.client import looks
from dask_serverless.worker.invitation import Invitation

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc")


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    yield Lines(ours), Lines(theirs)
    ours.close()
    theirs.close()


def test_messages_arrive_whole_however_they_are_cut(pair):
    near, far = pair
    told = [Trouble(str(n), "ü\n\udcff" * n) for n in range(9)]
    data = b"".join(map(line_of, told))
    found = []
    for first in range(0, len(data), 7):
        near.stream.sendall(data[first : first + 7])
        found += far.receive()
    assert found == told


def test_the_other_side_gone_is_an_end_and_no_error(pair):
    near, far = pair
    near.send(Idle())
    near.close()
    assert list(far) == [Idle()]
    assert far.send(Idle()) is False or far.send(Idle()) is False


def test_close_closes_the_connection_to_the_nursery():
    """Nobody else did, and Python warned of a socket that was left open."""
    client = Serverless(containers=1)
    nursery = client._engine.backend.nursery
    assert nursery.lines.fileno() >= 0
    client.close()
    assert nursery.lines.fileno() == -1


@pytest.mark.parametrize(
    ("status", "words"),
    [(9, "SIGKILL.*memory"), (11, "SIGSEGV"), (3 << 8, "status 3"), (0, "status 0")],
)
def test_how_a_container_ended_is_said_in_words(status, words):
    import re

    assert re.search(words, ended(status))


def test_memory_is_still_limited_in_a_container_that_was_stopped_before(pair):
    """Its reason to be killed stayed, so that the limit was never looked at again."""
    near, _ = pair
    nursery = Nursery(near, Opening("n", 1, 1, 60.0, 15.0, 3, (), (), (), {}))
    ours, theirs = map(Lines, socket.socketpair())
    (page,) = new_pages(1)
    ward = Ward("n-1", os.getpid(), ours, 0, page, Words(os.open(os.devnull, os.O_RDONLY)), {})
    ward.invitation = Invitation("run", "epoch", "store")
    ward.why, ward.kill_at = "the run was stopped", 1e12
    theirs.send(Idle())
    nursery.listen(ward)
    assert (ward.run, ward.why, ward.kill_at) == ("", "", 0.0)
    ours.close()
    theirs.close()


def pid_and_pause(seconds):
    time.sleep(seconds)
    return os.getpid()


def compute(client, *values):
    return dask.compute(*values, scheduler=client)


def test_no_more_containers_than_allowed_and_warm_ones_are_used_again():
    with Serverless(containers=2) as client:
        tasks = [delayed(pid_and_pause)(0.02) for _ in range(20)]
        first = set(compute(client, tasks)[0])
        second = set(compute(client, tasks)[0])
        assert len(first | second) <= 2
        assert os.getpid() not in first


def test_containers_are_children_of_the_nursery_and_the_nursery_has_one_thread():
    with Serverless(containers=2) as client:
        compute(client, [delayed(pid_and_pause)(0.05) for _ in range(4)])
        nursery = client._engine.backend.process.pid
        assert "dask_serverless.backends.nursery_process" in commandline(nursery)
        assert len(children(nursery)) in (2, 3)  # the keeper is one of them
        tasks = Path(f"/proc/{nursery}/task").iterdir()
        threads = [(task / "comm").read_text().strip() for task in tasks]
        assert len([name for name in threads if name != "jemalloc_bg_thd"]) == 1  # pyarrow's own


def test_what_is_said_while_the_nursery_comes_up_is_heard(monkeypatch):
    """The invitation waits in its socket together with the settings; the sweep would repeat it."""
    monkeypatch.setattr(looks, "LOOK_SECONDS", 300.0)
    with Serverless(containers=1) as client:
        started = time.monotonic()
        assert compute(client, delayed(sum)([1, 2])) == (3,)
        assert time.monotonic() - started < 200


def test_libraries_imported_later_come_with_the_next_containers():
    with Serverless(containers=1) as client:
        compute(client, delayed(sum)([1]))
        import dask.dataframe  # noqa: F401

        loaded = delayed(lambda: "pandas" in sys.modules)()
        eventually(lambda: compute(client, loaded) == (True,))


def test_a_container_that_hangs_loses_its_bundle_to_another_one(tmp_path):
    """SIGSTOP stands for a machine that swaps or a network that is gone: no end is seen."""
    with Serverless(containers=2, lease_seconds=0.5) as client:
        hanging = tmp_path / "hanging"

        def task(i):
            with suppress(FileExistsError):  # the first one hangs, however close the others are
                with open(hanging, "x") as file:
                    file.write(str(os.getpid()))
                os.kill(os.getpid(), signal.SIGSTOP)
            return i

        found = compute(client, [delayed(task)(i) for i in range(3)])
        assert found == ([0, 1, 2],)
        first = int(hanging.read_text())
        eventually(lambda: not commandline(first))  # nothing that hangs is left
        assert compute(client, [delayed(abs)(i) for i in range(3)]) == ([0, 1, 2],)


def test_a_task_much_longer_than_its_lease_runs_once(tmp_path):
    with Serverless(containers=2, lease_seconds=0.5) as client:
        started = tmp_path / "started"

        def task():
            with open(started, "a") as file:
                file.write("x")
            time.sleep(2.5)
            return 1

        assert compute(client, delayed(task)()) == (1,)
        assert started.read_text() == "x"
