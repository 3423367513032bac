"""Ctrl-C while an image is made: nothing of it stays behind."""

from __future__ import annotations

import io

import pytest
from awaiting import eventually
from clients import Client
from docker_engine import BASE

pytestmark = pytest.mark.docker

SLOW = "dask-serverless-test:slow"
BOUND_SECONDS = 240
# Beside the main thread, which is in the middle of a compute; a build takes longer than anybody waits.
SCRIPT = f"""
from dask_serverless.backends.docker.packages import Packages

class Quick(Packages):
    def install(self, target, over):
        target.mkdir()
        (target / "large").write_bytes(bytes(8 << 20))

import dask
from dask import delayed
from dask_serverless import Serverless
from dask_serverless.backends.docker import image

image.Packages = Quick
with Serverless(backend="docker", containers=1, base={SLOW!r}) as client:
    tell("begins")
    dask.compute(delayed(abs)(-1), scheduler=client)
"""


@pytest.fixture
def slow(daemon):
    """A base image on which every build takes a minute."""
    text = f"FROM {BASE}\nONBUILD RUN sleep 60\n"
    for _ in daemon.api.build(fileobj=io.BytesIO(text.encode()), tag=SLOW, rm=True):
        pass
    yield
    eventually(lambda: not under_way(daemon), 60)
    daemon.api.remove_image(SLOW, noprune=True)


def under_way(daemon):
    return [each for each in daemon.api.containers(all=True) if "sleep 60" in each["Command"]]


@pytest.mark.timeout(BOUND_SECONDS)
def test_ctrl_c_while_the_daemon_builds_leaves_no_files(daemon, slow, tmp_path):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    with Client(tmp_path, SCRIPT, TMPDIR=str(temporary)) as client:
        eventually(lambda: under_way(daemon), 120)
        assert [path for path in temporary.iterdir() if "image" in path.name]
        client.interrupt()
        client.process.wait(60)
    assert list(temporary.iterdir()) == []
