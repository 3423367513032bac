"""What tests of every folder share: one private store, and one client with two containers."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import dask
import pytest
from hypothesis import HealthCheck, settings
from store_servers import Servers

from dask_serverless import Serverless
from dask_serverless.store import connect
from dask_serverless.store.connect import open_link
from dask_serverless.store.embedded import EmbeddedStore
from dask_serverless.store.link import Link

# A shell that runs the tests in the background has SIGINT ignored in them, and in what they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes says more of the machine than of the code.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


@pytest.fixture(scope="session", autouse=True)
def own_past(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test learns from the user's own runs, nor teaches them anything; and none from another
    test, but for those that ask for a history: which plan they get must not depend on the order.
    """
    off = dask.config.set({"serverless.history": False})
    with off, pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("DASK_SERVERLESS__HISTORY", "false")
        yield


@pytest.fixture(scope="session")
def store_url() -> Iterator[str]:
    """A private server for tests that speak to the store themselves."""
    with EmbeddedStore() as store:
        yield store.wait_ready()


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[Servers]:
    """Servers of a test's own, configured as it likes."""
    connect._checked.clear()  # ports come back with other servers behind them
    with ExitStack() as stack:
        yield Servers(tmp_path, stack)


@pytest.fixture
def link(store_url: str) -> Iterator[Link]:
    """A connection to a store that is empty before and after."""
    with open_link(store_url) as link:
        link.call(("FLUSHALL",))
        yield link
        link.call(("FLUSHALL",))


@pytest.fixture(scope="session")
def serverless(store_url: str) -> Iterator[Serverless]:
    """A client with warm containers; its settings are the defaults."""
    client = Serverless(containers=2)
    yield client
    client.close()
