"""AWS Lambda as a backend: our handler in AWS's emulator, behind a router that does as AWS does."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager
from functools import partial
from socket import socket

import dask
import numpy as np
import pytest
from awaiting import eventually
from dask import delayed
from lambda_emulators import CONTAINERS, FUNCTION, SECRET, region
from lambda_limits import limited
from lambda_router import Router
from lambda_tasks import (
    add_slowly,
    crash,
    fail,
    fill,
    memory_mb,
    needs,
    note,
    sleep_once,
    wait_to_be_killed,
)  # fmt: skip
from usual_graphs import check_collections, tree

from dask_serverless import Serverless
from dask_serverless.backends import asking
from dask_serverless.backends.aws_lambda import backend
from dask_serverless.errors import (
    BundleLost,
    ContainersAbsent,
    ContainersCutOff,
    PlatformUnavailable,
    SettingsError,
)
from dask_serverless.store.server import Server
from planners.plans.plan import FLEXIBLE, Plan

EVER = 1 << 30  # requests


@contextmanager
def client_of(router, store, containers=2, **settings):
    told = {"store": store, "containers": containers, "endpoint_url": router.url}
    told = {**told, "secret": SECRET, **settings}
    with Serverless(backend="lambda", **told) as client:
        yield client


def compute(*values, client):
    return dask.compute(*values, scheduler=client)


@pytest.mark.filterwarnings("ignore:Computing mixed collections")
def test_arrays_dataframes_and_bags(client):
    check_collections(partial(dask.compute, scheduler=client))


def test_all_containers_that_the_platform_has_take_part(client):
    slow = [delayed(time.sleep)(0.3 + n / 1e6) for n in range(24)]
    compute(*slow, client=client)
    assert len(client.last_run.containers) == 3


class Sized:
    """A bundle a task, each with the memory that is asked for by its position."""

    name = "sized"

    def __init__(self, memory_mb):
        self.memory_mb = memory_mb

    def plan(self, dag, resources):
        slots = np.full(dag.tasks, FLEXIBLE)
        return Plan(self.name, np.arange(dag.tasks), slots, np.array(self.memory_mb))


def test_bundles_run_on_functions_of_the_size_that_was_planned_or_has_proved_necessary(store_url):
    sizes = ("dask-serverless-1769", "dask-serverless-3538")
    with region(store_url, 1, sizes) as cloud:
        with client_of(cloud, store_url, memory=["1769 MiB", "3538 MiB"]) as client:
            for planned in ([0, 1769, 100], [2000, 100, 3538]):
                roots = [delayed(memory_mb)() for _ in range(2)]
                with client.options(planner=Sized(planned)) as sized:
                    (found,) = compute(delayed(memory_mb)(*roots), client=sized)
                large = sum(each > 1769 for each in planned)
                assert large <= found.count(3538) <= (3 if large else 0)
            assert compute(delayed(needs)(3000), client=client) == (3538,)
            with pytest.raises(MemoryError, match="4000 MiB of 3538"):
                compute(delayed(needs)(4000), client=client)


@pytest.mark.parametrize("largest_only", [False, True], ids=["environment", "process"])
def test_a_run_whose_container_aws_ends_for_want_of_memory_goes_on_with_the_next_size(
    store_url, largest_only
):
    sizes = ("dask-serverless-384", "dask-serverless-1024")
    with region(store_url, 1, sizes, lease_seconds=2) as cloud, limited(cloud, largest_only) as met:
        told = {"memory": ["384 MiB", "1 GiB"], "lease_seconds": 2.0}
        with client_of(cloud, store_url, **told) as client:
            assert compute(delayed(fill)(64), client=client) == ([384],)
            assert compute(delayed(fill)(448), client=client) == ([1024],)
            assert met == [384]
            with client.options(attempts=1) as once:
                with pytest.raises(BundleLost, match="of its limit of 384 MiB"):
                    compute(delayed(fill)(2048), client=once)


def test_an_exception_arrives_as_it_was_raised(client):
    with pytest.raises(ValueError, match="enough"):
        compute(delayed(fail)(), client=client)
    assert compute(tree(8), client=client) == (28,)


def test_a_task_that_crashes_is_lost_with_its_signal_and_the_container_stays(client):
    with pytest.raises(BundleLost, match="SIGSEGV"):
        compute(delayed(crash)(), client=client)
    assert compute(tree(8), client=client) == (28,)


def test_containers_invite_one_another(client, cloud):
    before = len(cloud.events(CONTAINERS))
    root = delayed(add_slowly)(1, 1)
    after = [delayed(add_slowly)(root, n) for n in range(6)]
    assert compute(*after, client=client) == tuple(range(2, 8))
    assert len(cloud.events(CONTAINERS)) > before


def test_an_invocation_has_ids_only(client, cloud, store_url):
    value = "a value that a task is given"
    assert compute(delayed(str.upper)(value), client=client) == (value.upper(),)
    payloads = [each.payload for each in cloud.events()]
    assert max(map(len, payloads)) < 1000
    assert not [each for each in payloads if store_url.encode() in each or b"a value" in each]


def test_events_that_aws_delivers_several_times_do_no_harm(client, cloud, tmp_path):
    path = str(tmp_path / "notes")
    cloud.copies = 3
    try:
        tasks = [delayed(note)(path, n) for n in range(40)]
        assert compute(delayed(sum)(tasks), client=client) == (780,)
    finally:
        cloud.copies = 1
    numbers = [int(line) for line in open(path).read().splitlines()]
    assert sorted(numbers) == list(range(40)), "each ran once"


def test_what_is_throttled_is_asked_again(client, cloud):
    eventually(lambda: not client._engine.backend.checked.is_alive())
    cloud.throttled = 10
    assert compute(tree(16), client=client) == (120,)
    assert cloud.throttled == 0


def throttled_until(cloud, since):
    """For the rest of the platform's patience and more: then there is room."""
    eventually(lambda: len(cloud.events()) > since, 60)
    cloud.throttled = 0


def test_what_is_throttled_for_longer_than_anybody_asks_goes_on_when_that_ends(
    store_url, cloud, monkeypatch
):
    monkeypatch.setattr(asking, "PATIENCE_SECONDS", 0.3)
    cloud.throttled, before = EVER, len(cloud.events())
    room = threading.Thread(target=throttled_until, args=(cloud, before + 20))
    room.start()
    with client_of(cloud, store_url) as client:
        assert compute(tree(16), client=client) == (120,)
    room.join()


def test_what_is_throttled_for_ever_is_waited_for_with_a_warning_and_an_end(store_url, cloud):
    cloud.throttled, before = EVER, len(cloud.events())
    try:
        with client_of(cloud, store_url, start_seconds=3.0) as client:
            with (
                pytest.warns(UserWarning, match=r"Rate Exceeded\. They are waited for until 3 s"),
                pytest.raises(ContainersAbsent, match="Rate Exceeded") as caught,
            ):
                compute(tree(16), client=client)
            assert "aws_lambda.start_seconds" in str(caught.value)
            asked = len(cloud.events()) - before
            cloud.throttled = 0
            assert compute(tree(16), client=client) == (120,)
    finally:
        cloud.throttled = 0
    assert asked < 100, "it backs off"


@contextmanager
def unreachable():
    """Where nobody listens, for as long as this is held."""
    with socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def test_a_network_that_fails_for_a_while_costs_no_run(store_url, cloud, monkeypatch):
    """Its end comes after several invitations were given up."""
    monkeypatch.setattr(asking, "PATIENCE_SECONDS", 0.3)
    with ExitStack() as network, ExitStack() as router:
        port = network.enter_context(unreachable())

        def recover():
            network.close()
            late = router.enter_context(Router(port))
            late.queues = cloud.queues

        told = {"endpoint_url": f"http://127.0.0.1:{port}"}
        with client_of(cloud, store_url, **told) as client:
            later = threading.Timer(3.0, recover)
            later.start()
            assert compute(tree(16), client=client) == (120,)
        later.join()


def test_a_region_that_nobody_can_reach_is_told_as_that(store_url, cloud, monkeypatch):
    monkeypatch.setattr(backend, "PATIENCE_SECONDS", 0.5)
    with unreachable() as port:
        told = {"endpoint_url": f"http://127.0.0.1:{port}"}
        with client_of(cloud, store_url, **told) as client:
            with pytest.raises(PlatformUnavailable, match=r"(?i)could not .*endpoint_url"):
                compute(tree(8), client=client)


def test_containers_that_are_throttled_leave_it_to_the_client_to_ask(client, cloud):
    eventually(lambda: not client._engine.backend.checked.is_alive())
    cloud.refused = CONTAINERS
    try:
        root = delayed(add_slowly)(1, 1)
        after = [delayed(add_slowly)(root, n) for n in range(6)]
        assert compute(*after, client=client) == tuple(range(2, 8))
    finally:
        cloud.refused = ""


def replayed(payload):
    """As somebody who has read it, and may invoke the function, would change it."""
    told = json.loads(payload)
    told["invitation"] = told["invitation"][:-8] + "AAAAAAA="
    return json.dumps(told).encode()


def test_what_is_no_invitation_of_ours_is_refused_and_the_container_stays(client, cloud):
    assert compute(tree(8), client=client) == (28,)
    for payload in (
        b'["x"]',
        b'{"invitation": {"run": "r", "epoch": "e", "store": "unix:///theirs"}}',
        replayed(cloud.events()[-1].payload),
    ):
        assert b"NotAuthentic" in cloud.run(FUNCTION, payload)
    assert b'"secret"' in cloud.run(FUNCTION, b'{"check": "ds:check:x"}'), "it tells nothing more"
    assert compute(tree(8), client=client) == (28,)


@pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc")
def test_a_container_whose_host_is_gone(store_url, tmp_path):
    path = tmp_path / "note"
    with region(store_url, 2) as cloud:

        def kill():
            eventually(path.exists)
            pid = int(path.read_text())
            next(each for each in cloud.emulators if each.process.pid == pid).kill()

        thread = threading.Thread(target=kill)
        thread.start()
        with client_of(cloud, store_url, lease_seconds=2.0) as client:
            assert compute(delayed(wait_to_be_killed)(str(path)), client=client) == ("survived",)
        thread.join()


def test_before_the_time_limit_others_go_on(store_url):
    """One container takes 6 s for this, and stays 2 s; the next one comes while the client waits."""
    with region(store_url, 1, seconds=12, grace_seconds=7) as cloud:
        with client_of(cloud, store_url, containers=1) as client:
            compute(tree(2), client=client)  # to be warm takes a part of the time
            slow = [delayed(time.sleep)(0.25 + n / 1e6) for n in range(24)]
            before = len(cloud.events(CONTAINERS))
            with client.options(planner="simple") as other:
                compute(*slow, client=other)
            assert len(cloud.events(CONTAINERS)) > before, "it invited who goes on"
        assert cloud.failures == []


@contextmanager
def short_lived(store, count):
    """Functions with a short time limit that are warm, and leases that no test waits for."""
    with region(store, count, seconds=10, grace_seconds=1, lease_seconds=90) as cloud:
        with client_of(cloud, store, containers=count, lease_seconds=90) as client:
            compute(*[delayed(time.sleep)(0.5 + n / 1e6) for n in range(count)], client=client)
            yield client
        assert cloud.failures == [], "AWS had nothing to end"


def test_what_outlasts_the_time_limit_is_put_back_at_once(store_url, tmp_path):
    with short_lived(store_url, 2) as client:
        path = str(tmp_path / "note")
        assert compute(delayed(sleep_once)(path), client=client) == ("done",)


def test_a_task_that_no_function_has_time_for_says_so_and_the_container_stays(store_url):
    with short_lived(store_url, 1) as client:
        with client.options(attempts=1) as other:
            with pytest.raises(BundleLost, match="time limit of its function") as lost:
                compute(delayed(time.sleep)(100), client=other)
        assert "more seconds" in lost.value.hint
        assert compute(tree(8), client=client) == (28,)


@contextmanager
def checked_client_of(router, store):
    """Once a container has been asked what it reaches."""
    with client_of(router, store) as client:
        eventually(lambda: not client._engine.backend.checked.is_alive(), 90)
        yield client


def test_a_function_that_was_deployed_with_another_store(store_url):
    other = Server()
    try:
        assert not other.wait_ready(30)
        with region(other.url, 1) as cloud, checked_client_of(cloud, store_url) as client:
            with pytest.raises(SettingsError, match="store is not the one that the function"):
                compute(tree(8), client=client)
    finally:
        other.stop()


def test_a_function_that_was_deployed_with_another_secret(store_url):
    with region(store_url, 1, secret="what another client knows") as cloud:
        with checked_client_of(cloud, store_url) as client:
            with pytest.raises(SettingsError, match="secret is not the one that the function"):
                compute(tree(8), client=client)


def test_a_function_that_cannot_reach_the_store(store_url):
    with region("unix:///nowhere", 1) as cloud, checked_client_of(cloud, store_url) as client:
        with pytest.raises(ContainersCutOff, match="nowhere"):
            compute(tree(8), client=client)


def test_a_function_that_does_not_start(store_url):
    with region(store_url, 1, lease_seconds="a while") as cloud:
        with checked_client_of(cloud, store_url) as client:
            with pytest.raises(PlatformUnavailable, match="aws logs tail"):
                compute(tree(8), client=client)


def test_a_run_that_is_under_way_hears_of_it_too(store_url):
    with region("unix:///nowhere", 1) as cloud, client_of(cloud, store_url) as client:
        with pytest.raises(ContainersCutOff, match="nowhere"):
            compute(tree(8), client=client)


def test_a_function_that_is_not_there(cloud, store_url):
    with client_of(cloud, store_url, memory="3 GiB") as client:
        with pytest.raises(PlatformUnavailable, match="dask serverless deploy lambda"):
            compute(tree(8), client=client)


def test_a_client_that_may_not_invoke_it(store_url, cloud):
    cloud.denied = "AccessDeniedException"
    try:
        with client_of(cloud, store_url) as client:
            with pytest.raises(PlatformUnavailable, match="policy that clients need"):
                compute(tree(8), client=client)
    finally:
        cloud.denied = ""


def test_nobody_else_imports_any_of_it():
    script = (
        "import sys, dask_serverless, dask_serverless.client.run; "
        "bad = [n for n in sys.modules if n.startswith(('boto', 'dask_serverless.backends.aws', "
        "'dask_serverless.backends.docker', 'worker_container'))]; "
        "sys.exit(str(bad) if bad else 0)"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
