"""Containers on executors that exist: threads, processes, loky, clusters of distributed."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
import warnings
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace

import dask
import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
from awaiting import eventually
from clients import run_script
from dask import delayed
from engines import cluster, compute

from dask_serverless import Serverless
from dask_serverless.client import absence
from dask_serverless.errors import ContainersCutOff, ExecutorUnusable, SettingsError
from dask_serverless.store.connect import open_link


def test_arrays_and_dataframes(client):
    x = da.random.default_rng(1).random((400, 400), chunks=(100, 100))
    frame = pd.DataFrame({"a": np.arange(100) % 7, "b": np.arange(100.0)})
    means = dd.from_pandas(frame, npartitions=5).groupby("a").b.mean()
    total, found = compute((x + x.T).sum(), means, client=client)
    assert np.isclose(total, (x + x.T).sum().compute(scheduler="sync"))
    pd.testing.assert_series_equal(found.sort_index(), frame.groupby("a").b.mean())


def test_an_exception_arrives_as_it_was_raised(client):
    with pytest.raises(ZeroDivisionError):
        compute(delayed(lambda: 1 / 0)(), client=client)
    assert compute(delayed(abs)(-1), client=client) == (1,)


def test_tasks_that_compute_do_so_there_and_then(client):
    """Else they would wait for containers that wait for them."""

    def inner():
        return dask.compute(*[delayed(abs)(-i) for i in range(4)], scheduler=client)

    nested = [delayed(inner, pure=False)() for _ in range(4)]
    assert compute(*nested, client=client) == ((0, 1, 2, 3),) * 4


def test_containers_stay_for_the_next_run(client):
    many = [delayed(abs)(-i) for i in range(100)]
    compute(*many, client=client)  # one container may have done it all before the other came
    eventually(lambda: compute(*many, client=client) and not client.last_run.cold_starts)


def test_the_executor_stays_its_owners(executor):
    with Serverless(backend=executor) as client:
        compute(delayed(abs)(-1), client=client)
    assert executor.submit(abs, -2).result() == 2


def test_no_key_stays_in_the_store(store_url, executor):
    with Serverless(backend=executor, store=store_url) as client, open_link(store_url) as link:
        compute(delayed(abs)(-1), client=client)
        pool = client._engine.backend.calls.name.encode()
        client.close()
        eventually(lambda: not [k for k in link.call(("KEYS", "ds:*"))[0] if pool in k])


def test_a_client_is_as_good_as_its_executor():
    with cluster(threads_per_worker=2, processes=False) as client:
        for backend in (client, client.get_executor()):
            with Serverless(backend=backend) as serverless:
                assert serverless._engine.backend.containers == 4
                assert compute(delayed(abs)(-1), client=serverless) == (1,)


def test_an_asynchronous_client_is_refused():
    distributed = pytest.importorskip("distributed")

    async def refused():
        options = {"n_workers": 0, "processes": False, "dashboard_address": ":0"}
        async with (
            distributed.LocalCluster(asynchronous=True, **options) as cluster,
            distributed.Client(cluster, asynchronous=True) as client,
        ):
            with pytest.raises(SettingsError, match="asynchronous"):
                Serverless(backend=client)

    asyncio.run(refused())


def test_an_executor_that_does_not_say_how_many_calls_it_runs_needs_containers():
    class Anything:
        def submit(self, function, *arguments):
            raise AssertionError

    with pytest.raises(SettingsError, match="containers must be given with Anything"):
        Serverless(backend=Anything())
    assert Serverless(backend=Anything(), containers=3)._engine.backend.containers == 3


class Queue:
    """An executor that runs nothing before it is told to."""

    def __init__(self):
        self.waiting, self.threads = [], ThreadPoolExecutor(2)

    def submit(self, function, *arguments):
        self.waiting.append((future := Future(), function, arguments))
        return future

    def begin(self):
        for future, function, arguments in self.waiting:
            self.threads.submit(lambda f=future, g=function, a=arguments: f.set_result(g(*a)))


def test_calls_that_do_not_begin_are_told_of_and_waited_for(monkeypatch, store_url):
    monkeypatch.setattr(absence, "WARN_SECONDS", 0.01)
    queue = Queue()
    with (
        Serverless(backend=queue, containers=1, store=store_url, lease_seconds=1) as client,
        warnings.catch_warnings(record=True) as told,
        ThreadPoolExecutor(1) as thread,
    ):
        warnings.simplefilter("always")
        result = thread.submit(delayed(abs)(-1).compute, scheduler=client)
        eventually(lambda: told or result.done())
        (warned,) = told
        assert "of 1 calls submitted to Queue, 0 have begun" in str(warned.message)
        queue.begin()
        assert result.result(60) == 1


def test_a_limit_for_memory_that_nobody_enforces_is_told():
    with ThreadPoolExecutor(1) as pool, pytest.warns(UserWarning, match="memory is not enforced"):
        Serverless(backend=pool, memory="1 GiB").close()


def test_calls_that_come_too_late_leave_the_executor_to_others():
    """Else each of those that one place had no room for would keep it for as long as an idle one."""

    def slow(number):
        time.sleep(0.05)
        return number

    with (
        ThreadPoolExecutor(1) as pool,
        Serverless(backend=pool, containers=8) as wide,
        Serverless(backend=pool) as other,
    ):
        many = [delayed(slow)(i) for i in range(16)]
        assert compute(*many, client=wide) == tuple(range(16))
        started = time.monotonic()
        assert compute(delayed(abs)(-1), client=other) == (1,)
        assert time.monotonic() - started < 20  # each that is idle stays for 60


def test_what_another_object_leaves_idle_later_makes_way_for_calls_that_wait(tmp_path):
    begun, end = tmp_path / "begun", tmp_path / "end"

    def held():
        begun.touch()
        return eventually(end.exists)

    with (
        ThreadPoolExecutor(1) as pool,
        ThreadPoolExecutor(2) as users,
        Serverless(backend=pool, lease_seconds=2) as first,
        Serverless(backend=pool, lease_seconds=2) as second,
    ):
        long = users.submit(delayed(held)().compute, scheduler=first)
        eventually(begun.exists)
        short = users.submit(delayed(abs)(-1).compute, scheduler=second)
        eventually(lambda: second._engine.backend.standing(""))
        time.sleep(1)  # it has asked while there was nobody to make way
        end.touch()
        long.result(30)
        assert short.result(20) == 1


def test_an_executor_that_was_shut_down_says_so():
    pool = ThreadPoolExecutor(1)
    pool.shutdown()
    with (
        Serverless(backend=pool) as client,
        pytest.raises(ExecutorUnusable, match="ThreadPoolExecutor takes no more calls"),
    ):
        compute(delayed(abs)(-1), client=client)


def test_a_killed_process_that_breaks_the_pool_is_told():
    def end():
        time.sleep(0.5)
        os._exit(3)

    with ProcessPoolExecutor(1) as pool, Serverless(backend=pool) as client:
        with pytest.raises(ExecutorUnusable, match="BrokenProcessPool"):
            compute(delayed(end)(), client=client)
        (account,) = client.last_run.accounts  # what it took is paid for, whoever ends the run
        assert account.cold_starts == 1 and account.seconds >= 0.5


def test_containers_that_cannot_reach_the_store(monkeypatch):
    """As on another host, where a private server's socket is not."""
    from dask_serverless.backends.executor import calls

    ticket = calls.Surroundings.ticket

    def elsewhere(*told):
        return replace(ticket(*told), store="unix:///nowhere")

    monkeypatch.setattr(calls.Surroundings, "ticket", elsewhere)
    with ThreadPoolExecutor(3) as pool, Serverless(backend=pool) as client:
        with pytest.raises(ContainersCutOff, match=r"Serverless\(store=...\)"):
            compute(*[delayed(abs)(-i) for i in range(40)], client=client)


@pytest.mark.parametrize("kind", ["ThreadPoolExecutor", "ProcessPoolExecutor"])
def test_a_script_that_closes_nothing_ends(tmp_path, kind):
    source = f"""
    from concurrent.futures import {kind}
    serverless = Serverless(backend={kind}(2))
    print(dask.compute(delayed(abs)(-1), scheduler=serverless))
    """
    assert run_script(tmp_path, source) == "(1,)\n"


def test_the_keeper_comes_and_goes_with_containers(tmp_path):
    def keepers():
        listing = subprocess.run(
            ["ps", "-o", "comm=", "--ppid", str(os.getpid())], text=True, stdout=-1
        )
        return listing.stdout.split().count("dask-keeper")

    with ThreadPoolExecutor(2) as pool:
        before = keepers()
        with Serverless(backend=pool) as client:
            compute(delayed(abs)(-1), client=client)
            eventually(lambda: keepers() == before + 1)
        eventually(lambda: keepers() == before)
