"""The image that is deployed: as AWS runs it, with AWS's emulator in front, in a real container."""

from __future__ import annotations

import os
import secrets
import subprocess
from contextlib import contextmanager

import dask
import dask.array as da
import numpy as np
import pytest
from awaiting import eventually
from lambda_emulators import FUNCTION, REGION, SECRET, emulator, free_port, missing, reaches
from lambda_router import Router

from dask_serverless import Serverless
from dask_serverless.backends.aws_lambda.deployed import ENTRY_POINT, HANDLER
from dask_serverless.backends.aws_lambda.deployment import NEEDED
from dask_serverless.backends.docker.daemon import Daemon
from dask_serverless.backends.docker.image import Image
from dask_serverless.errors import ServerlessError

BASE = os.environ.get("TEST_BASE_IMAGE", "dask-serverless-base:bookworm")

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]  # the image is made first


@pytest.fixture(scope="module")
def image():
    why = missing()
    try:
        daemon = Daemon()
        why = why or ("" if daemon.has_image(BASE) else f"there is no {BASE}: .ci/engines makes it")
    except ServerlessError as error:
        why = str(error)
    if why:
        if os.environ.get("CI"):
            pytest.fail(why)
        pytest.skip(why)
    return Image(BASE, None, NEEDED).ready(daemon)


@contextmanager
def running(image, router, store):
    """On this host's network, as AWS has it: not root, without shared memory, with a small /tmp."""
    name, port = f"lambda-test-{secrets.token_hex(4)}", free_port()
    environment = {
        "WORKER_STORE": store,
        "WORKER_SECRET": SECRET,
        "AWS_LAMBDA_FUNCTION_NAME": FUNCTION,
        "AWS_LAMBDA_FUNCTION_TIMEOUT": "60",
        "AWS_ENDPOINT_URL_LAMBDA": router.url,
        "AWS_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "containers",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    told = [part for item in environment.items() for part in ("--env", "=".join(item))]
    process = subprocess.Popen(
        [
            "docker", "run", "--rm", "--name", name, "--network", "host", *told,
            "--user", "993:990", "--cap-drop", "ALL", "--ipc", "none", "--read-only",
            "--tmpfs", "/tmp:mode=1777,exec,size=512m", "--volume", f"{emulator()}:/emulator:ro",
            "--entrypoint", "/emulator", image, "--log-level", "error",
            "--runtime-api-address", f"127.0.0.1:{free_port()}",
            "--runtime-interface-emulator-address", f"127.0.0.1:{port}",
            *ENTRY_POINT, HANDLER,
        ]
    )  # fmt: skip
    try:
        eventually(lambda: reaches(port), 60)
        router.serve(FUNCTION, port)
        yield
    finally:
        subprocess.run(["docker", "rm", "--force", name], check=False, capture_output=True)
        process.wait(30)


def test_the_image_runs_as_a_function_as_it_is_confined_there(image, start_server):
    router, store_url = Router(), start_server()
    with running(image, router, store_url), running(image, router, store_url):
        told = {"store": store_url, "containers": 2, "endpoint_url": router.url, "secret": SECRET}
        with Serverless(backend="lambda", **told) as client:
            x = da.random.default_rng(1).random((400, 400), chunks=100)
            wanted = (x + x.T).sum(axis=0).compute(scheduler="sync")
            (found,) = dask.compute((x + x.T).sum(axis=0), scheduler=client)
            np.testing.assert_allclose(found, wanted)
            assert all(name.startswith("lambda-") for name in client.last_run.containers)
    assert router.failures == []
    router.server_close()
