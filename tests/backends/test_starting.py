"""Containers that do not come up, or not for long: an error that says why, and never a wait."""

from __future__ import annotations

import os
import signal
import sys
import time

import dask
import pytest
from awaiting import eventually
from clients import Client, run_script
from dask import delayed
from test_faults import containers, in_thread

from dask_serverless import Serverless
from dask_serverless.backends.nursery import unborn
from dask_serverless.errors import (
    BundleLost,
    ContainersClosed,
    ContainersNotStarting,
    SettingsError,
)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc")

COMPUTE = """
    from dask_serverless.errors import ContainersNotStarting
    begun = time.monotonic()
    try:
        with Serverless(containers=2) as s:
            dask.compute(delayed(sum)([1]))
    except ContainersNotStarting as error:
        assert time.monotonic() - begun < 30
        tell("NOT STARTING", error)
"""


@pytest.mark.parametrize(
    ("breaking", "words"),
    [
        ("sys.executable = '/none/such'", "/none/such"),
        ("sys.executable = '/bin/false'", "status 1"),
        ("os.environ['PYTHONHOME'] = '/none/such'", "encodings"),
        ("os.environ['PYTHONPATH'] = os.path.abspath('broken')", "a module that breaks"),
    ],
    ids=["no such program", "another program", "home", "import"],
)
def test_a_nursery_that_does_not_come_up_is_an_error_with_its_last_words(tmp_path, breaking, words):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "msgpack.py").write_text("raise ValueError('a module that breaks')")
    begin = "\n    import dask_serverless.client.run, dask_serverless.backends.local\n    "
    told = run_script(tmp_path, begin + breaking + COMPUTE)
    assert "NOT STARTING" in told
    assert words in told


def test_modules_in_the_working_folder_are_not_taken_for_pythons_own(tmp_path):
    """``python -m`` looks there first: a select.py of the user's, and nothing came up."""
    (tmp_path / "work").mkdir()
    for name in ("select", "random", "socket", "msgpack", "dask"):
        (tmp_path / "work" / f"{name}.py").write_text("raise ValueError('not this one')")
    told = run_script(
        tmp_path,
        """
        os.chdir("work")
        with Serverless(containers=1) as s:
            tell(dask.compute(delayed(os.getcwd)())[0].endswith("work"))
        """,
    )
    assert "True" in told


def test_a_nursery_killed_again_and_again_is_an_error():
    with Serverless(containers=1, attempts=3) as client:
        backend = client._engine.backend
        spawn = backend._spawn

        def spawn_and_kill():
            spawn()
            backend.process.kill()

        backend._spawn = spawn_and_kill
        backend.process.kill()
        with pytest.raises(ContainersNotStarting, match="SIGKILL"):
            dask.compute(delayed(abs)(-1), scheduler=client)
        backend._spawn = spawn
        assert dask.compute(delayed(abs)(-1), scheduler=client) == (1,)


def test_containers_that_die_before_they_have_work_are_counted(tmp_path):
    """With a module that ends the process while a container unpacks nothing but its first claim."""
    source = """
    from dask_serverless.errors import ContainersNotStarting
    s = Serverless(containers=2)
    dask.compute(delayed(sum)([1]), scheduler=s)
    os.kill(s._engine.backend.process.pid, signal.SIGKILL)
    os.environ["PYTHONPATH"] = os.getcwd() + ":" + os.environ["PYTHONPATH"]
    open("sitecustomize.py", "w").write(
        "import os, sys, signal\\n"
        "os.register_at_fork(after_in_child=lambda: os.environ.get('KEEPER') or "
        "sys._getframe(1).f_code.co_name == 'bear' and os.kill(os.getpid(), signal.SIGILL))"
    )
    try:
        dask.compute(delayed(sum)([1]), scheduler=s)
    except ContainersNotStarting as error:
        tell(error)
    """
    told = run_script(tmp_path, source)
    assert "SIGILL" in told


def test_an_invitation_that_dies_with_its_container_is_placed_again_at_once():
    with Serverless(containers=1) as client:
        assert dask.compute(delayed(abs)(-1), scheduler=client) == (1,)
        (pid,) = containers(client)
        os.kill(pid, signal.SIGSTOP)
        started = time.monotonic()
        outcome = in_thread(lambda: dask.compute(delayed(abs)(-1), scheduler=client))
        time.sleep(0.2)  # its invitation is with the container that stands still
        os.kill(pid, signal.SIGKILL)
        assert outcome() == (1,)
        assert time.monotonic() - started < 1.5


FORK_LIMIT = """
    import resource
    from dask_serverless.errors import ContainersNotStarting
    s = Serverless(containers={containers})
    dask.compute(delayed(sum)([1]), scheduler=s)
    nursery = s._engine.backend.process.pid
    def limit(to):
        resource.prlimit(nursery, resource.RLIMIT_NOFILE, to)
    before = resource.prlimit(nursery, resource.RLIMIT_NOFILE)
    used = max(map(int, os.listdir(f"/proc/{{nursery}}/fd"))) + 1
"""


def test_no_room_for_another_container_is_no_trouble_while_one_lives(tmp_path):
    source = (
        FORK_LIMIT.format(containers=3)
        + """
    limit((used, before[1]))
    def nap(i):
        time.sleep(0.05)
        return i
    tell(dask.compute([delayed(nap)(i) for i in range(9)], scheduler=s))
    """
    )
    assert run_script(tmp_path, source).strip() == "([0, 1, 2, 3, 4, 5, 6, 7, 8],)"


def test_no_room_for_any_container_says_what_is_short_and_what_is_retried(tmp_path):
    source = (
        FORK_LIMIT.format(containers=1)
        + """
    from clients import children
    limit((5, before[1]))
    for pid in children(nursery):
        os.kill(pid, signal.SIGKILL)
    try:
        dask.compute(delayed(sum)([1]), scheduler=s)
    except ContainersNotStarting as error:
        tell(error)
    limit(before)
    tell(dask.compute(delayed(sum)([1]), scheduler=s))
    """
    )
    tests = os.path.dirname(os.path.dirname(__file__))
    told = run_script(tmp_path, f"\n    sys.path.append({tests!r})" + source)
    assert "ulimit" in told
    assert "(1,)" in told


def test_a_memory_limit_below_what_an_empty_container_uses_is_refused_with_the_number():
    with (
        pytest.raises(SettingsError, match=r"memory.*20 MiB.*uses \d+ MiB"),
        Serverless(containers=1, memory="20 MiB") as client,
    ):
        dask.compute(delayed(abs)(-1), scheduler=client)


def test_a_memory_limit_that_cannot_be_enforced_is_said(monkeypatch):
    from dask_serverless.backends import local

    monkeypatch.setattr(local, "can_weigh", lambda: False)
    with pytest.warns(UserWarning, match="not enforced"):
        local.LocalBackend(1, memory_bytes=1 << 30)


def test_what_a_container_wrote_at_last_is_told_and_shown(tmp_path):
    source = """
    from dask_serverless.errors import BundleLost
    def crash():
        os.write(2, b"first words" + bytes([10]))
        print("last words", file=sys.stderr)
        os.abort()
    try:
        dask.compute(delayed(crash)(), scheduler=Serverless(containers=1, attempts=2))
    except BundleLost as error:
        tell(error)
    """
    with Client(tmp_path, source) as script:
        told, errors = script.process.communicate(timeout=60)
    assert "SIGABRT" in told
    for words in ("first words", "last words", "crash"):  # the last one: where it was
        assert words in told
        assert words in errors


@pytest.mark.parametrize("store", [False, True])
def test_close_beside_a_running_compute_ends_it_with_a_clear_error(tmp_path, store_url, store):
    noted = tmp_path / "noted"

    def work():
        noted.touch()
        time.sleep(30)

    client = Serverless(containers=1, **({"store": store_url} if store else {}))
    outcome = in_thread(lambda: dask.compute(delayed(work)(), scheduler=client))
    eventually(noted.exists)
    backend = client._engine.backend
    client.close()
    with pytest.raises(ContainersClosed):
        outcome(10)
    assert backend.process is None
    assert dask.compute(delayed(abs)(-1), scheduler=client) == (1,)
    client.close()


def test_a_task_that_closes_all_descriptors_hangs_nobody():
    def close_all():
        os.closerange(3, 1000)
        time.sleep(20)

    with Serverless(containers=1, attempts=2) as client:
        started = time.monotonic()
        with pytest.raises(BundleLost, match="connection"):
            dask.compute(delayed(close_all)(), scheduler=client)
        assert time.monotonic() - started < 10
        assert dask.compute(delayed(abs)(-1), scheduler=client) == (1,)


def test_a_working_folder_that_is_gone(tmp_path):
    source = """
    os.mkdir("gone"); os.chdir("gone"); os.rmdir("../gone")
    with Serverless(containers=1) as s:
        tell(dask.compute(delayed(sum)([1])))
        tell(dask.compute(delayed(sum)([2])))
    """
    assert run_script(tmp_path, source) == "(1,)\n(2,)\n"


def test_folders_whose_names_are_no_text(tmp_path):
    folder = os.path.join(os.fsencode(tmp_path), b"f\xff")
    os.mkdir(folder)
    source = """
    from pathlib import Path
    folder = os.path.join(os.getcwdb(), b"f\\xff")
    os.chdir(folder)
    import tempfile
    tempfile.tempdir = os.fsdecode(folder)
    sys.path += [os.fsdecode(folder), Path("/none"), b"/none", None]
    open("mine.py", "w").write("def f(): return 7")
    import mine, numpy as np
    with Serverless(containers=1) as s:
        tell(dask.compute(delayed(mine.f)()))
        tell(dask.compute(delayed(np.sum)(delayed(np.ones)(100_000)))[0])
    """
    assert run_script(tmp_path, source) == "(7,)\n100000.0\n"


def test_last_words_that_are_a_question_end_as_one():
    why = unborn(BlockingIOError(11, "Resource temporarily unavailable"))
    assert "of a cgroup)? The settings are" in str(ContainersNotStarting("", why))
    assert "in a shell?" in str(ContainersNotStarting("docker run", "no such image."))
