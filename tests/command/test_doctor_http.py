"""``dask serverless doctor --backend http``, against a container that is a process of this host."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection

import dask
import pytest
from awaiting import eventually
from click.testing import CliRunner, Result
from http_platform import TOKEN, free_port, process

from dask_serverless.command.cli import serverless
from dask_serverless.worker.environment import versions

SECRET = "what both sides were given"


def ask(port: int, path: str, **headers: str) -> tuple[int, bytes]:
    with closing(HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        return response.status, response.read()


def listens(port: int) -> bool:
    try:
        return ask(port, "/health")[0] == 200
    except OSError:
        return False


@contextmanager
def container(**told: str) -> Iterator[int]:
    port = free_port()
    usual = {"WORKER_TOKEN": TOKEN, "WORKER_HOST": "127.0.0.1", "WORKER_PORT": str(port)}
    with process([sys.executable, "-m", "worker_container"], **usual, **told):
        eventually(lambda: listens(port))
        yield port


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with container() as port:
        yield port


@pytest.fixture(scope="module")
def secretive() -> Iterator[int]:
    """The port of one that has the client's setting secret."""
    with container(WORKER_SECRET=SECRET) as port:
        yield port


def doctor(
    port: int, path: str = "", token: str = TOKEN, store: str = "", secret: str | None = None
) -> Result:
    http = {"url": f"http://127.0.0.1:{port}{path}", "token": token}
    named = ["--store", store] if store else []
    told = {"http": http, "containers": 1, "secret": secret}
    with dask.config.set({f"serverless.{name}": value for name, value in told.items()}):
        return CliRunner().invoke(serverless, ["doctor", "--backend", "http", *named])


def test_a_platform_that_works_is_well(port: int) -> None:
    result = doctor(port)
    assert result.exit_code == 0, result.output
    assert "knows the token" in result.output
    assert "ok       versions" in result.output
    assert "a container came, and reached the store" in result.output
    assert TOKEN not in result.output


def test_nobody_there_is_told(port: int) -> None:
    result = doctor(1)
    assert result.exit_code == 1
    assert "failed   platform         http://127.0.0.1:1 does not answer" in result.output


def test_another_token_is_told_and_not_shown(port: int) -> None:
    other = "f" * 40
    result = doctor(port, token=other)
    assert result.exit_code == 1
    assert "WORKER_TOKEN" in result.output
    assert other not in result.output


def test_a_secret_that_containers_do_not_have_is_told_as_runs_would_be(
    port: int, secretive: int
) -> None:
    for there, ours in ((port, SECRET), (secretive, None), (secretive, "another " + SECRET)):
        result = doctor(there, secret=ours)
        assert result.exit_code == 1, result.output
        assert "failed   network          The setting secret is not that of" in result.output
        assert "-> Containers must have it as WORKER_SECRET" in result.output
        assert SECRET not in result.output


def test_a_secret_that_containers_have_too_is_well(secretive: int) -> None:
    result = doctor(secretive, secret=SECRET)
    assert result.exit_code == 0, result.output
    assert "a container came, and reached the store" in result.output


def test_a_url_that_leads_elsewhere_is_told(port: int) -> None:
    result = doctor(port, path="/elsewhere")
    assert result.exit_code == 1
    assert "docs/http.md" in result.output


def test_a_container_that_cannot_reach_the_store_is_told(port: int) -> None:
    result = doctor(port, store="redis://127.0.0.1:1")
    assert result.exit_code == 1
    assert "failed   network" in result.output
    assert "a container cannot work" in result.output


def test_only_who_knows_the_token_is_told_the_versions(port: int) -> None:
    status, content = ask(port, "/health")
    assert (status, list(json.loads(content))) == (200, ["state"])
    status, content = ask(port, "/health", Authorization=f"Bearer {TOKEN}")
    assert json.loads(content)["versions"] == versions()
    assert ask(port, "/health", Authorization="Bearer wrong")[0] == 401
