"""Functions of AWS Lambda on this host: AWS's own Runtime Interface Emulator around our handler."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

import pytest
from awaiting import eventually
from clients import children
from lambda_router import Router

ROOT = Path(__file__).parents[2]
HANDLER = "worker_container.lambda_handler.handler"
FUNCTION = "dask-serverless-1769"
REGION = "eu-central-1"
SECRET = "known to the client and its containers"
CLIENT, CONTAINERS = "client", "containers"  # access keys


def missing() -> str:
    """Why there is nothing to test against; "" if there is."""
    if emulator() is None:
        return "there is no aws-lambda-rie on the PATH: .ci/engines installs it"
    absent = [name for name in ("awslambdaric", "boto3") if find_spec(name) is None]
    return f"{', '.join(absent)} cannot be imported: the extra test has them" if absent else ""


def emulator() -> str | None:
    return os.environ.get("TEST_LAMBDA_RIE") or shutil.which("aws-lambda-rie")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def reaches(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Emulator:
    """One execution environment."""

    def __init__(self, router: Router, store: str, function: str = FUNCTION, **settings) -> None:
        self.port = free_port()
        self.memory_mb = int(function.rpartition("-")[2])
        told = {
            "STORE": store,
            "SECRET": SECRET,
            **{name.upper(): str(value) for name, value in settings.items()},
        }
        seconds = told.pop("SECONDS", "60")
        self.process = subprocess.Popen(
            [
                str(emulator()),
                "--log-level", "error",
                "--runtime-api-address", f"127.0.0.1:{free_port()}",
                "--runtime-interface-emulator-address", f"127.0.0.1:{self.port}",
                sys.executable, "-m", "awslambdaric", HANDLER,
            ],
            cwd=ROOT,
            start_new_session=True,
            env={
                **os.environ,
                **{f"WORKER_{name}": value for name, value in told.items()},
                "PYTHONPATH": str(ROOT),
                "AWS_LAMBDA_FUNCTION_NAME": function,
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(self.memory_mb),
                "AWS_LAMBDA_FUNCTION_TIMEOUT": seconds,
                "AWS_ENDPOINT_URL_LAMBDA": router.url,
                "AWS_REGION": REGION,
                "AWS_ACCESS_KEY_ID": CONTAINERS,
                "AWS_SECRET_ACCESS_KEY": "test",
            },
        )  # fmt: skip
        eventually(lambda: reaches(self.port))
        router.serve(function, self.port)

    def kill(self) -> None:
        """As when its host is gone."""
        for pid in [*children(self.process.pid), self.process.pid]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(20)


@contextmanager
def region(
    store: str, count: int, functions: Sequence[str] = (FUNCTION,), **settings
) -> Iterator[Router]:
    """AWS Lambda, with so many environments of one function, or of each of several."""
    if why := missing():
        if os.environ.get("CI"):
            pytest.fail(why)
        pytest.skip(why)
    router = Router()
    emulators: list[Emulator] = []
    try:
        for function in count * tuple(functions):
            emulators.append(Emulator(router, store, function, **settings))
        router.emulators = emulators
        yield router
    finally:
        for each in emulators:
            each.kill()
        router.shutdown()
        router.server_close()
