"""Claims are kept from outside the interpreter that runs the tasks."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time

import dask
import pytest
from awaiting import eventually
from clients import commandline
from dask import delayed
from test_faults import containers, in_thread, keeper, nursery

from dask_serverless import Serverless
from dask_serverless.errors import BundleLost

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc")


def note(path):
    with open(path, "a") as file:
        file.write(f"{os.getpid()}\n")


def hold_the_interpreter(path, seconds):
    note(path)
    ctypes.PyDLL(None).sleep(seconds)  # PyDLL keeps the lock
    return seconds


def pids(path):
    return [int(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_a_task_that_holds_the_interpreter_longer_than_its_lease_runs_once(tmp_path):
    noted = tmp_path / "noted"
    with Serverless(containers=2, lease_seconds=0.5) as client:
        task = delayed(hold_the_interpreter)(noted, 3)
        assert dask.compute(task, scheduler=client) == (3,)
        assert len(pids(noted)) == 1


def test_functions_that_take_longer_to_import_than_a_lease_are_imported_once(tmp_path):
    noted = tmp_path / "noted"
    (tmp_path / "slow_module.py").write_text(
        f"import ctypes, os\n"
        f"if os.getpid() != {os.getpid()}:\n"
        f"    open({str(noted)!r}, 'a').write(f'{{os.getpid()}}\\n')\n"
        f"    ctypes.PyDLL(None).sleep(2)\n"
        f"def f(): return 7\n"
    )
    sys.path.insert(0, str(tmp_path))
    try:
        import slow_module

        with Serverless(containers=2, lease_seconds=0.5) as client:
            assert dask.compute(delayed(slow_module.f)(), scheduler=client) == (7,)
            assert len(pids(noted)) == 1
    finally:
        sys.path.remove(str(tmp_path))
        sys.modules.pop("slow_module", None)


def stand_still(path):
    note(path)
    if len(path.read_text().splitlines()) == 1:
        os.kill(os.getpid(), signal.SIGSTOP)
    return "done"


def test_a_container_that_stands_still_is_killed_and_its_bundle_goes_to_another(tmp_path):
    noted = tmp_path / "noted"
    with Serverless(containers=2, lease_seconds=1) as client:
        started = time.monotonic()
        assert dask.compute(delayed(stand_still)(noted), scheduler=client) == ("done",)
        assert time.monotonic() - started < 20  # some 1.5 on a machine with nothing else to do
        eventually(lambda: not commandline(pids(noted)[0]))


def test_containers_that_stand_still_every_time_are_an_error_that_says_so():
    with Serverless(containers=2, lease_seconds=0.5, attempts=2) as client:
        task = delayed(lambda: os.kill(os.getpid(), signal.SIGSTOP))()
        with pytest.raises(BundleLost, match="stood still") as caught:
            dask.compute(task, scheduler=client)
        assert caught.value.tries == 2
        assert dask.compute(delayed(abs)(-1), scheduler=client) == (1,)


def test_an_idle_container_that_stands_still_hinders_nobody():
    with Serverless(containers=1, lease_seconds=0.5) as client:
        assert dask.compute(delayed(abs)(-1), scheduler=client) == (1,)
        (pid,) = containers(client)
        os.kill(pid, signal.SIGSTOP)
        assert dask.compute(delayed(abs)(-1), scheduler=client) == (1,)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_keeper_that_dies_or_stands_still_is_replaced(tmp_path, number):
    noted = tmp_path / "noted"
    with Serverless(containers=1, lease_seconds=0.6) as client:
        outcome = in_thread(
            lambda: dask.compute(delayed(hold_the_interpreter)(noted, 3), scheduler=client)
        )
        eventually(lambda: pids(noted))
        before = keeper(client)
        os.kill(before, number)
        assert outcome() == (3,)
        assert len(pids(noted)) == 1
        assert keeper(client) != before


def test_a_nursery_that_stands_still_is_replaced(tmp_path):
    with Serverless(containers=1, lease_seconds=0.5) as client:
        assert dask.compute(delayed(abs)(-1), scheduler=client) == (1,)
        before = nursery(client)
        os.kill(before, signal.SIGSTOP)
        assert dask.compute(delayed(abs)(-1), scheduler=client) == (1,)
        assert nursery(client) != before


def test_a_task_whose_run_is_over_is_stopped_even_if_it_holds_the_interpreter(tmp_path):
    noted = tmp_path / "noted"

    def never_end(path):
        note(path)
        return sum(range(10**13))  # in C, without a look at signals

    def fail(path):
        while not path.exists():
            time.sleep(0.01)
        raise ValueError("mine")

    with Serverless(containers=2, lease_seconds=1) as client:
        graph = [delayed(never_end)(noted), delayed(fail)(noted)]
        with pytest.raises(ValueError, match="mine"):
            dask.compute(graph, scheduler=client)
        assert dask.compute([delayed(abs)(-i) for i in range(4)], scheduler=client) == (
            [0, 1, 2, 3],
        )
        eventually(lambda: not commandline(pids(noted)[0]), 10)
