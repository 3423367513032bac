"""The image as whoever has a registry builds it, and as a platform for requests confines it."""

from __future__ import annotations

import secrets
import shutil
import subprocess
from contextlib import contextmanager

import dask
import pytest
from awaiting import eventually
from dask import delayed
from docker_engine import BASE
from docker_tasks import confinement
from http_platform import TOKEN, free_port, healthy
from store_servers import listens, server_process

from dask_serverless import Serverless
from dask_serverless.backends.docker.image import OURS, SITE, Image, root_of
from dask_serverless.backends.entry_point import Address, EntryPoint

pytestmark = pytest.mark.docker

CONFINED = [
    "--read-only", "--tmpfs", "/tmp:size=64m,mode=1777", "--cap-drop", "ALL",
    "--security-opt", "no-new-privileges", "--pids-limit", "256", "--memory", "1g",
]  # fmt: skip


@pytest.fixture(scope="module")
def image(daemon, tmp_path_factory):
    """`docker build` itself, on an image that has the packages, as pip would put them into the context."""
    usual = Image(BASE)
    usual.ready(daemon)
    packages, _ = usual.tags(daemon)
    context = tmp_path_factory.mktemp("context")
    for name in OURS:
        shutil.copytree(root_of(name), context / SITE / name)
    shutil.copy(root_of("worker_container") / "Dockerfile", context)
    tag = f"dask-serverless-test:{secrets.token_hex(4)}"
    build = ["docker", "build", "--quiet", "--build-arg", f"BASE={packages}", "--tag", tag]
    subprocess.run([*build, str(context)], check=True, capture_output=True, timeout=100)
    yield tag
    daemon.api.remove_image(tag, force=True)


@contextmanager
def running(image, **settings):
    name = f"own-build-{secrets.token_hex(4)}"
    told = [part for key, value in settings.items() for part in ("--env", f"WORKER_{key}={value}")]
    command = [
        "docker",
        "run",
        "--rm",
        "--name",
        name,
        "--network",
        "host",
        *CONFINED,
        *told,
        image,
    ]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:
        yield
    finally:
        subprocess.run(["docker", "stop", name], check=False, capture_output=True, timeout=60)
        assert process.wait(30) == 0


def test_it_listens_where_others_reach_it_without_being_told(image):
    """On the network that it does not share, as platforms run it: there the loopback is its alone."""
    name = f"own-build-{secrets.token_hex(4)}"
    command = ["docker", "run", "--rm", "--detach", "--name", name, *CONFINED]
    subprocess.run([*command, "--env", f"WORKER_TOKEN={TOKEN}", image], check=True, timeout=60)
    try:
        asked = ["docker", "inspect", "--format", "{{.NetworkSettings.IPAddress}}", name]
        host = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()
        point = EntryPoint(Address(host, 8080, TOKEN))
        eventually(lambda: healthy(point), 60)
        point.close()
    finally:
        subprocess.run(["docker", "stop", name], check=False, capture_output=True, timeout=60)


def test_a_confined_container_of_an_own_build_serves_requests(image, tmp_path):
    port, store = free_port(), free_port()
    url = f"http://127.0.0.1:{port}"
    told = {"TOKEN": TOKEN, "HOST": "127.0.0.1", "PORT": port, "INVITE_URL": url}
    with (
        server_process(tmp_path / "store", "--port", store, "--bind", "127.0.0.1"),
        running(image, **told),
    ):
        point = EntryPoint(Address("127.0.0.1", port, TOKEN))
        eventually(lambda: listens(store) and healthy(point), 60)
        point.close()
        with Serverless(
            backend="http", url=url, token=TOKEN, containers=1, store=f"redis://127.0.0.1:{store}"
        ) as client:
            (found,) = dask.compute(delayed(confinement)(), scheduler=client)
    assert found == {
        "user": 65534,
        "capabilities": 0,
        "no new privileges": "1",
        "root is writable": False,
        "memory": 1 << 30,
        "secrets": [],
    }
