"""A real Docker daemon: in CI its absence is a failure, elsewhere these tests skip and say why."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from awaiting import eventually
from docker_engine import BASE, left

from benchmarks.environment import REPOSITORY
from dask_serverless import Serverless
from dask_serverless.backends.docker.daemon import Daemon
from dask_serverless.errors import ServerlessError

MADE = ".ci/engines makes it"


def missing() -> str:
    """Why there is nothing to test against; "" if there is."""
    try:
        daemon = Daemon()
    except ServerlessError as error:
        return str(error)
    return "" if daemon.has_image(BASE) else f"there is no base image {BASE}: {MADE}"


@pytest.fixture(scope="session")
def daemon() -> Daemon:
    if why := missing():
        if os.environ.get("CI"):
            pytest.fail(why)
        pytest.skip(why)
    return Daemon()


@pytest.fixture(scope="session", autouse=True)
def census(daemon: Daemon) -> Iterator[None]:
    """At the end of all of these tests, nothing of them is left."""
    before = {str(name) for name in left(daemon)}
    yield
    eventually(lambda: not {str(name) for name in left(daemon)} - before)


@pytest.fixture(scope="session")
def requirements() -> str:
    """What the tests' graphs need; the comparison's, so that one image serves both."""
    return str(REPOSITORY / "benchmarks" / "image.txt")


@pytest.fixture(scope="session")
def docker_client(daemon: Daemon, requirements: str) -> Iterator[Serverless]:
    """Two containers with a core each, that most tests share."""
    with Serverless(
        backend="docker", containers=2, memory="1 GiB", cpus=1.0, base=BASE,
        requirements=requirements,
    ) as client:  # fmt: skip
        yield client
