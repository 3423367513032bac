"""Containers behind a URL: real ones, behind a real nginx that balances, drops and delays."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import replace

import dask
import dask.array as da
import numpy as np
import pytest
from awaiting import eventually
from dask import delayed
from http_platform import TOKEN, platform
from usual_graphs import tree

from dask_serverless import Serverless
from dask_serverless.backends.http.backend import HttpBackend
from dask_serverless.backends.http.settings import HttpSettings
from dask_serverless.errors import (
    ContainersCutOff,
    PlatformUnavailable,
    SettingsError,
)


@pytest.fixture(scope="module")
def cloud():
    with platform() as platform_:
        yield platform_


@contextmanager
def client_of(url, store, containers=3, token=TOKEN, wait=True, lease_seconds=15.0):
    told = {"url": url, "token": token, "wait": wait, "containers": containers}
    with Serverless(backend="http", store=store, lease_seconds=lease_seconds, **told) as client:
        yield client


@pytest.fixture(params=[True, False], ids=["to completion", "in the background"])
def client(request, cloud, store_url):
    with client_of(cloud.url, store_url, wait=request.param) as client:
        yield client


def compute(*values, client):
    return dask.compute(*values, scheduler=client)


def test_a_graph_runs_on_all_containers_that_the_platform_has(client, cloud):
    x = da.random.default_rng(1).random((400, 400), chunks=(100, 100))
    expected = (x + x.T).sum().compute(scheduler="sync")
    assert np.isclose(compute((x + x.T).sum(), client=client)[0], expected)
    slow = [
        delayed(time.sleep)(0.2 + n / 1e6) for n in range(36)
    ]  # longer than pauses between asking
    with dask.config.set({"optimization.fuse.active": False}):
        compute(*slow, client=client)
    assert len(client.last_run.containers) == 3


@pytest.mark.parametrize("wait", [True, False], ids=["to completion", "in the background"])
def test_requests_are_paid_for_where_the_platform_charges_for_them(cloud, store_url, wait):
    with client_of(cloud.url, store_url, 1, wait=wait) as client:
        compute(delayed(abs)(-1), client=client)
        begun, _ = time.time(), compute(delayed(time.sleep)(0.2), client=client)
        report = client.last_run
        (container,) = report.containers.values()
        work = container["fetch"] + container["run"] + container["store"]
        paid = container["until"] - container["since"]
        assert begun <= container["since"]
        assert (paid > work + 5e-4) is wait


def test_an_exception_arrives_and_who_spins_is_free_again(cloud, store_url):
    def spin():
        while True:
            sum(range(1000))

    def fail():
        time.sleep(0.3)
        raise ValueError("enough")

    with client_of(cloud.url, store_url, lease_seconds=1.0) as client:
        with pytest.raises(ValueError, match="enough"):
            compute(delayed(spin)(), delayed(fail)(), client=client)
        assert compute(tree(8), client=client) == (28,)
        eventually(lambda: not client._engine.backend.stopping, 15)


def test_several_runs_at_once(client):
    outcomes = []
    threads = [
        threading.Thread(target=lambda n=n: outcomes.append(compute(tree(n), client=client)))
        for n in (4, 8, 16, 32)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(outcomes) == [(6,), (28,), (120,), (496,)]


def test_a_gateway_that_drops_and_delays(store_url):
    with platform(count=2, dropped=30, rate=30) as cloud:
        with client_of(cloud.url, store_url, containers=2) as client:
            for _ in range(3):
                assert compute(tree(16), client=client) == (120,)


def wait_to_be_killed(note):
    if not os.path.exists(note):
        with open(note + ".new", "w") as file:
            file.write(str(parent(os.getppid())))
        os.rename(note + ".new", note)
        time.sleep(60)
    return "survived"


def parent(pid):
    with open(f"/proc/{pid}/stat") as file:
        return int(file.read().rpartition(")")[2].split()[1])


@pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc")
def test_a_container_that_is_killed_at_work(store_url, tmp_path):
    note = tmp_path / "note"

    def kill():
        eventually(note.exists)
        os.kill(int(note.read_text()), signal.SIGKILL)

    with platform(count=2, LEASE_SECONDS=1.0) as cloud:
        with client_of(cloud.url, store_url, containers=2, lease_seconds=1.0) as client:
            threading.Thread(target=kill).start()
            assert compute(delayed(wait_to_be_killed)(str(note)), client=client) == ("survived",)


def test_work_that_outlasts_the_platforms_limit_for_requests_goes_on_elsewhere(store_url):
    """One container at a time is allowed, so the second one comes only when the first has left."""
    with platform(count=2, REQUEST_SECONDS=1.0, GRACE_SECONDS=0.5) as cloud:
        with client_of(cloud.url, store_url, containers=1) as client:
            slow = [delayed(time.sleep)(0.2 + n / 1e6) for n in range(12)]
            with client.options(planner="simple") as other:
                compute(*slow, client=other)
                assert len(other.last_run.containers) == 2


def test_a_wrong_token_is_told_by_its_setting(cloud, store_url):
    with client_of(cloud.url, store_url, token="x" * 16) as client:
        with pytest.raises(SettingsError, match=r"http\.token is not that of the containers"):
            compute(delayed(abs)(-1), client=client)


def test_a_url_that_leads_elsewhere(cloud, store_url):
    with client_of(cloud.url + "/nowhere", store_url) as client:
        with pytest.raises(PlatformUnavailable, match="404"):
            compute(delayed(abs)(-1), client=client)


def test_containers_that_cannot_reach_the_store(cloud, store_url):
    backend = HttpBackend(HttpSettings(cloud.url, TOKEN), 3, lease_seconds=15.0)
    ask = backend.asking.ask
    backend.asking.ask = lambda invitation, count=1: ask(
        replace(invitation, store="unix:///nowhere", own=""), count
    )
    with Serverless(backend=backend, store=store_url) as client:
        with pytest.raises(ContainersCutOff):
            compute(*[delayed(abs)(-n) for n in range(40)], client=client)


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"url": "worker.run.app"}, r"http\.url is 'worker.run.app', but must be like"),
        ({"url": "https://user:secret@host"}, r"http\.url"),
        ({"url": "https://host:port"}, r"http\.url"),
        ({"token": "short"}, r"http\.token must be the containers' WORKER_TOKEN"),
        ({"wait": "yes"}, r"http\.wait is 'yes', but must be true or false"),
        ({"request_seconds": 0}, r"http\.request_seconds is 0"),
    ],
)
def test_settings_that_mean_nothing(settings, problem):
    with pytest.raises(SettingsError, match=problem) as caught:
        HttpSettings(**{"url": "https://host", "token": "t" * 16, **settings})
    assert "short" not in str(caught.value)


TOKENS = {
    "a file's content": "Quxel" * 8 + "\n",
    "newlines within": "Quxel\n" * 8 + "x",
    "blanks": "Quxel " * 8 + "x",
    "no ASCII": "Qux\u00f6l" * 8,
    "a control character": "Quxel" * 8 + "\x7f",
    "a list": ["Quxel" * 8],
    "bytes": b"Quxel" * 8,
}


@pytest.mark.parametrize("token", TOKENS.values(), ids=TOKENS)
def test_a_token_that_no_header_carries_is_refused_at_once_and_not_shown(token):
    """What sends it would quote it, and nobody would come for it."""
    with pytest.raises(SettingsError, match=r"Serverless\(token=...\) must be") as caught:
        Serverless(
            backend="http", url="http://127.0.0.1:1", token=token, containers=1, store="redis://h"
        )
    assert "Qux" not in str(caught.value)


def test_no_secret_goes_over_a_connection_that_others_may_read():
    def private(url):
        return HttpSettings(url, TOKEN).private

    assert private("https://worker.run.app")
    assert private("http://127.0.0.1:8080")
    assert not private("http://worker.internal")
    assert TOKEN not in repr(HttpSettings("https://host", TOKEN))


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({}, "containers must be given"),
        ({"containers": 3}, "store must be given"),
        ({"containers": 3, "tokens": 3}, "did you mean 'token'"),
    ],
)
def test_what_must_be_told(settings, problem):
    with pytest.raises((SettingsError, TypeError), match=problem):
        Serverless(backend="http", url="https://worker.run.app", token=TOKEN, **settings)


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({}, r"http\.url must be given with backend='http'"),
        ({"url": "https://worker.run.app"}, r"http\.token must be given with backend='http'"),
        ({"token": TOKEN}, r"http\.url must be given with backend='http'"),
    ],
)
def test_url_and_token_must_be_told_where_they_are_needed(settings, problem):
    with pytest.raises(SettingsError, match=problem):
        Serverless(backend="http", containers=3, store="redis://somewhere", **settings)


def test_nobody_is_shown_the_token(cloud, store_url):
    with client_of(cloud.url, store_url) as client:
        assert TOKEN not in repr(client) + repr(client.settings) + repr(client._engine.backend)
    with pytest.raises(SettingsError) as caught:
        Serverless(backend="http", http={"token": TOKEN, "url": 3}, containers=3)
    assert TOKEN not in str(caught.value)


def test_what_tasks_print_arrives(client):
    def speak(number):
        print("line", number)

    lines = []
    tasks = [delayed(speak)(number) for number in range(4)]
    dask.compute(*tasks, scheduler=client.options(logs=lines.append))
    assert sorted(line.text for line in lines) == [f"line {number}" for number in range(4)]
