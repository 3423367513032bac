"""Containers on executors when something ends, stops, changes or is in use by others."""

from __future__ import annotations

import ctypes
import importlib
import os
import signal
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from itertools import pairwise

import pytest
from awaiting import eventually
from clients import Client, run_script
from dask import delayed
from dask.utils import SerializableLock
from engines import cluster, compute

from dask_serverless import Serverless
from dask_serverless.errors import BundleLost, ExecutorUnusable
from dask_serverless.store.embedded import EmbeddedStore


def test_a_stopped_run_is_left_by_user_code(client):
    """Also where it runs in a thread that no signal reaches."""

    def spin():
        while True:
            sum(range(1000))

    def fail():
        raise ValueError("enough")

    with pytest.raises(ValueError, match="enough"):
        compute(delayed(spin)(), delayed(fail)(), client=client)
    begun = time.monotonic()
    assert compute(*[delayed(abs)(-i, pure=False) for i in range(2)], client=client) == (0, 1)
    backend = client._engine.backend
    eventually(lambda: not backend.stopping, 10)
    assert time.monotonic() - begun < 10


def test_a_short_run_gets_a_container_while_a_long_one_has_them_all(client):
    long = [delayed(time.sleep)(0.05, dask_key_name=f"long-{i}") for i in range(60)]
    with ThreadPoolExecutor(1) as pool, client.options(planner="simple") as other:
        outcome = pool.submit(compute, *long, client=other)
        eventually(lambda: client._engine.backend.watched)
        begun = time.monotonic()
        assert compute(delayed(abs)(-1), client=client) == (1,)
        took = time.monotonic() - begun
        outcome.result()
    assert took < 3, took


def test_a_module_of_the_clients_own_that_is_edited_between_runs(executor, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    file = tmp_path / "edited_between_runs.py"
    file.write_text("def answer(): return 1\n")
    import edited_between_runs

    with Serverless(backend=executor) as client:
        assert compute(delayed(edited_between_runs.answer)(), client=client) == (1,)
        file.write_text("def answer(): return 22\n")
        importlib.reload(edited_between_runs)
        assert compute(delayed(edited_between_runs.answer)(), client=client) == (22,)
    del sys.modules["edited_between_runs"]


def test_locks_of_containers_in_one_process_keep_each_other_out(client):
    lock = SerializableLock()

    def alone(n):
        with lock:
            return time.time(), time.sleep(0.05), time.time()

    times = sorted(compute(*[delayed(alone)(i) for i in range(6)], client=client))
    assert all(end <= begin for (_, _, end), (begin, *_) in pairwise(times))


def test_a_task_that_holds_its_interpreter_for_longer_than_the_lease(executor):
    def hold(seconds):
        ctypes.PyDLL(None).usleep(int(seconds * 1e6))
        return "held"

    with Serverless(backend=executor, lease_seconds=0.4, attempts=1) as client:
        assert compute(delayed(hold)(1.5), client=client) == ("held",)


def test_a_worker_of_distributed_that_is_killed():
    """The cluster calls again elsewhere by itself; the bundle that was lost runs again."""

    def kill_once(path):
        if not os.path.exists(path):
            open(path, "w").close()
            os.kill(os.getpid(), signal.SIGKILL)
        return "survived"

    with (
        tempfile.TemporaryDirectory() as folder,
        cluster(threads_per_worker=1) as workers,
        Serverless(backend=workers, lease_seconds=60) as client,
    ):
        others = [delayed(abs)(-i) for i in range(20)]
        begun = time.monotonic()
        found = compute(delayed(kill_once)(f"{folder}/killed"), *others, client=client)
        assert found == ("survived", *range(20))
        assert time.monotonic() - begun < client.settings.lease_seconds


def test_a_task_that_kills_every_process(executor):
    if isinstance(executor, ThreadPoolExecutor | ProcessPoolExecutor):
        pytest.skip("its processes do not come back")

    def die():
        os.kill(os.getpid(), signal.SIGKILL)

    with Serverless(backend=executor, lease_seconds=2) as client:
        with pytest.raises((BundleLost, ExecutorUnusable)):
            compute(delayed(die)(), client=client)


def test_loky_that_is_asked_for_each_call_goes_on_when_a_process_has_died(tmp_path):
    """What the documentation has for it: another executor in the broken one's place."""
    loky = pytest.importorskip("loky")

    class LokyExecutor:
        def submit(self, function, *args):
            return loky.get_reusable_executor(2).submit(function, *args)

    def die_once(path):
        if not path.exists():
            path.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return "survived"

    try:
        with Serverless(backend=LokyExecutor(), containers=2, lease_seconds=2) as client:
            died = delayed(die_once)(tmp_path / "died")
            assert compute(died, *[delayed(abs)(-i) for i in range(20)], client=client) == (
                "survived",
                *range(20),
            )
    finally:
        loky.get_reusable_executor().shutdown(kill_workers=True)


def test_a_client_that_is_killed_leaves_no_call_behind(tmp_path):
    with cluster(threads_per_worker=1) as workers, EmbeddedStore() as store:
        address, url = workers.scheduler.address, store.wait_ready()
        source = f"""
        from distributed import Client
        client = Client({address!r})
        serverless = Serverless(backend=client, store={url!r}, lease_seconds=0.5)
        print(dask.compute(delayed(abs)(-1), scheduler=serverless), flush=True)
        dask.compute(*[delayed(time.sleep)(0.05 + i / 1e9) for i in range(2000)], scheduler=serverless)
        """
        with Client(tmp_path, source) as script:
            assert script.hear() == "(1,)"
            script.kill()
        eventually(lambda: not any(workers.processing().values()), 15)


def test_a_fork_is_told_that_the_executor_is_its_parents(tmp_path):
    source = """
    from concurrent.futures import ThreadPoolExecutor
    serverless = Serverless(backend=ThreadPoolExecutor(1))
    dask.compute(delayed(abs)(-1), scheduler=serverless)
    if not (child := os.fork()):
        try:
            dask.compute(delayed(abs)(-1), scheduler=serverless)
        except Exception as error:
            tell(error)
        os._exit(0)
    os.waitpid(child, 0)
    """
    assert "make one here" in run_script(tmp_path, source)


def test_threads_of_the_client_do_not_change_its_folder(tmp_path):
    source = """
    from concurrent.futures import ThreadPoolExecutor
    serverless = Serverless(backend=ThreadPoolExecutor(1))
    dask.compute(delayed(abs)(-1), scheduler=serverless)
    os.mkdir("other")
    outcome = delayed(lambda: (time.sleep(0.1), os.getcwd())[1])()
    thread = threading.Thread(target=dask.compute, args=(outcome,), kwargs={"scheduler": serverless})
    thread.start()
    os.chdir("other")
    thread.join()
    tell(os.path.basename(os.getcwd()))
    """
    assert run_script(tmp_path, source) == "other\n"


def test_threads_that_were_interrupted_leave_others_free_to_be_traced(tmp_path):
    """An exception taken back made every traced thread of the process hang (Python 3.11)."""
    source = """
    from dask_serverless.backends.executor.threads import ThreadInterruption
    from dask_serverless.worker.interruption import Interrupt

    def container():
        interruption = ThreadInterruption()
        interruption.claim = "claim"
        told.append(interruption)
        try:
            while True:
                time.sleep(0.001)
        except Interrupt:
            interruption.claim = ""
        over.wait()

    told, over = [], threading.Event()
    thread = threading.Thread(target=container)
    thread.start()
    while not told:
        time.sleep(0.001)
    told[0].ask("claim")
    while told[0].claim:
        time.sleep(0.001)
    traced = []
    sys.settrace(lambda frame, event, argument: traced.append(event))
    (lambda: 1)()
    sys.settrace(None)
    over.set()
    tell(traced[0])
    """
    with Client(tmp_path, source) as script:
        assert script.process.communicate(timeout=20)[0] == "call\n"
