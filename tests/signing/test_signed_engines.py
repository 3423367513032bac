"""Signing with real containers: who has the secret goes on as ever, who has not is told."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import dask
import dask.array as da
import numpy as np
import pytest
from attacked import Canary
from dask import delayed

from dask_serverless import Serverless
from dask_serverless.blobs.frames import framed
from dask_serverless.errors import NotAuthentic, SettingsError
from dask_serverless.store.connect import open_link
from planners.plans.plan import FLEXIBLE, Plan


class OneBundleEach:
    name = "one-bundle-each"

    def plan(self, dag, resources):
        tasks = dag.tasks
        return Plan(self.name, np.arange(tasks), np.full(tasks, FLEXIBLE), np.zeros(tasks, int))


@pytest.fixture
def canary(tmp_path):
    canary = Canary(tmp_path / "fired")
    yield canary
    assert not canary.fired


def overwritten(url, inline, *values):
    """A task that plays the attacker: it has the store's URL, as a thief of the password would."""
    with open_link(url) as link:
        for key in link.call(("KEYS", "ds:{*}:out"))[0]:
            for field in link.call(("HKEYS", key))[0]:
                link.call(("HSET", key, field, inline))
    return 0


def make(number):
    return number


def graph_with_a_thief(url, inline):
    first = delayed(make)(3)
    return delayed(sum)([first, delayed(overwritten)(url, inline, first)])


@pytest.mark.parametrize("engine", ["local", "threads"])
def test_what_a_thief_of_the_password_writes_ends_the_run_at_once(store_url, canary, engine):
    with ThreadPoolExecutor(2) as pool:
        backend = pool if engine == "threads" else "local"
        settings = {"backend": backend, "containers": 2, "planner": OneBundleEach()}
        with Serverless(store=store_url, **settings) as client:
            total = graph_with_a_thief(store_url, canary.inline)
            with pytest.raises(NotAuthentic, match="Refused: output"):
                dask.compute(total, scheduler=client)
            assert dask.compute(delayed(make)(4), scheduler=client) == (4,)
        with open_link(store_url) as link:
            assert link.call(("KEYS", "ds:{*}:meta")) == [[]]


def test_the_theft_works_where_nothing_is_signed():
    """Else the test above would prove nothing: the same on a private store, by its own user."""
    stolen = b"i" + b"".join(framed(1000))
    with Serverless(containers=2, planner=OneBundleEach()) as client:
        url = client._engine.url
        assert dask.compute(graph_with_a_thief(url, stolen), scheduler=client) == (1000,)


@pytest.mark.parametrize("blobs", [None, "memory"])
def test_arrays_through_a_named_store(store_url, tmp_path, blobs):
    url = f"file://{tmp_path}/blobs" if blobs else None
    with Serverless(store=store_url, containers=2, blobs=url, compression="lz4") as client:
        x = da.random.random((600, 600), chunks=(200, 200))
        y = (x + x.T).sum(axis=0).std()
        with dask.config.set(scheduler=client):
            assert float(abs(y - y).compute()) == 0
        assert client.last_run.bundles > 1


def test_a_secret_of_ones_own(store_url):
    with Serverless(store=store_url, containers=1, secret="long enough as a secret") as client:
        assert client._engine.access.secret.text == "long enough as a secret"
        assert dask.compute(delayed(make)(5), scheduler=client) == (5,)
        assert "long enough" not in repr(client) + repr(client.settings) + repr(client._engine)


def test_each_object_draws_its_own(store_url):
    with Serverless(store=store_url) as one, Serverless(store=store_url) as other:
        assert one._engine.access.secret != other._engine.access.secret


def test_a_private_store_needs_none():
    with Serverless(containers=1) as client:
        assert client._engine.access.secret is None


def test_a_backend_that_could_not_use_it_says_so(store_url):
    class Own:
        containers, same_host, answer_seconds = 1, True, 2.0

        def invoke(self, invitation, count=1): ...

    with pytest.raises(SettingsError, match="no attribute `secret`"):
        Serverless(store=store_url, backend=Own(), secret="long enough as a secret")


@pytest.mark.parametrize("secret", ["short", 12345678901234567, b"bytes of enough letters"])
def test_a_secret_that_is_none(secret):
    with pytest.raises(SettingsError, match="16 letters or more") as caught:
        Serverless(secret=secret)
    assert repr(secret) not in str(caught.value)
