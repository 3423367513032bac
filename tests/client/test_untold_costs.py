"""What containers cost that were lost, and those of runs that failed."""

from __future__ import annotations

import os
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import dask
import numpy as np
import pytest
from dask import delayed

from dask_serverless import Serverless
from dask_serverless.client.report import RunReport
from dask_serverless.coordination.base import Event, What
from dask_serverless.coordination.untold import Untold
from dask_serverless.errors import BundleLost
from dask_serverless.worker.told import Finished

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc")

MB = 1 << 20
WORKED = 0.3  # seconds


def burn() -> None:
    begun = time.process_time()
    while time.process_time() - begun < WORKED:
        sum(range(1000))


def dies_once(flag: str, megabytes: int = 0) -> int:
    """After some work, the first time."""
    held = np.ones(megabytes * MB, dtype="u1")
    if not os.path.exists(flag):
        burn()
        open(flag, "w").close()
        os.kill(os.getpid(), signal.SIGKILL)
    return len(held)


def grows_once(flag: str) -> int:
    if not os.path.exists(flag):
        burn()
        open(flag, "w").close()
        held = []
        for _ in range(100):  # until it is killed
            held.append(np.ones(40 * MB, dtype="u1"))
            time.sleep(0.02)
    return 1


def dies() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def raises() -> None:
    burn()
    raise ArithmeticError("on purpose")


def apart(report):
    """What was lost, and what was not."""
    lost = [c for name, c in report.containers.items() if name in report.lost]
    return lost, [c for name, c in report.containers.items() if name not in report.lost]


@pytest.fixture(scope="module")
def client():
    with Serverless(containers=2, memory="512 MiB", attempts=2) as client:
        yield client


@pytest.mark.parametrize("others", [0, 1])
def test_what_a_container_took_that_was_killed_is_paid_for(client, tmp_path, others):
    flag = str(tmp_path / "flag")
    dask.compute(delayed(dies_once)(flag, 60), *[delayed(abs)(-1)] * others, scheduler=client)
    (lost,), rest = apart(client.last_run)
    assert lost["until"] - lost["since"] >= WORKED <= lost["cpu"]
    assert lost["peak"] > 60 * MB and lost["memory_mb"] == 512
    assert client.last_run.cold_starts == sum(c["cold"] for c in (lost, *rest))
    assert client.last_run.paid_gb_seconds >= WORKED / 2


def test_one_that_grew_beyond_its_limit_has_that_peak(client, tmp_path):
    assert dask.compute(delayed(grows_once)(str(tmp_path / "flag")), scheduler=client) == (1,)
    (lost,), _ = apart(client.last_run)
    assert lost["peak"] > 512 * MB
    assert lost["until"] - lost["since"] >= WORKED <= lost["cpu"]


@pytest.mark.parametrize("others", [0, 1])
def test_of_a_run_that_failed_all_is_paid_for_until_then(client, others):
    with pytest.raises(ArithmeticError):
        dask.compute(delayed(raises)(), *[delayed(time.sleep)(30)] * others, scheduler=client)
    report = client.last_run
    assert 1 <= len(report.containers) <= 1 + others  # the other one may have come too late
    assert report.paid_gb_seconds >= WORKED / 2


class Large(ArithmeticError):
    """Travels apart from the store's own keys."""


def fills_and_raises(megabytes: int, argument_bytes: int = 0) -> None:
    held = np.ones(megabytes * MB, dtype="u1")
    burn()
    raise Large(bytes(argument_bytes), len(held))


@pytest.mark.parametrize("logs", [False, True])
@pytest.mark.parametrize("argument_bytes", [0, 2 * MB])
def test_what_a_task_took_that_raised_is_told_with_what_it_raised(client, logs, argument_bytes):
    view = client.options(logs=logs)
    with pytest.raises(Large):
        dask.compute(delayed(fills_and_raises)(100, argument_bytes), scheduler=view)
    (account,) = view.last_run.accounts
    assert WORKED <= account.cpu_seconds and account.memory_mb == 512
    assert 100 * MB < account.peak_bytes


def test_so_is_what_attempts_took_before_the_last_one(client):
    with pytest.raises(ArithmeticError):
        dask.compute(delayed(raises)(), scheduler=client, retries=1)
    assert client.last_run.cpu_seconds >= 2 * WORKED


def test_so_it_is_where_containers_are_calls_of_an_executor():
    with ThreadPoolExecutor(2) as pool, Serverless(backend=pool) as client:
        with pytest.raises(Large):
            dask.compute(delayed(fills_and_raises)(100), scheduler=client)
        assert client.last_run.cpu_seconds >= WORKED
        assert client.last_run.peak_bytes > 100 * MB


def test_one_that_is_lost_again_and_again_is_paid_for_each_time(client):
    with pytest.raises(BundleLost):
        dask.compute(delayed(dies)(), scheduler=client)
    report = client.last_run
    assert len(report.lost) == 2 == report.cold_starts + report.warm_starts


def test_what_was_told_is_not_counted_again():
    report = RunReport("run")
    told = Finished(0, "c", 1000.0, 1.0, 2.0, 0.5, 1, 0, 0, 0, True, None, (), None)
    report.bundle(told, Event(What.FINISHED, b"", at=5003.5))  # the store's clock is another one
    report.untold(Untold("c", 5_000_000, 5_005_500, 1, 512, 40, 7))
    assert report.containers["c"]["until"] == pytest.approx(1005.5)
    assert report.containers["c"]["since"] == 1000.0
    (account,) = report.accounts
    assert (account.cold_starts, account.seconds, account.memory_mb) == (1, 5.5, 512)
    report.untold(Untold("c", 5_000_000, 5_001_000, 1, 512, 0, 7))  # before that: nothing more
    assert report.accounts == [account]
