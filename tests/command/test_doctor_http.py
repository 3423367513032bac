"""``dask serverless doctor --backend http``, against a container that is a process of this host."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection

import dask
import pytest
from awaiting import eventually
from click.testing import CliRunner, Result
from http_platform import TOKEN, free_port, process

from dask_serverless.command.cli import serverless
from dask_serverless.worker.environment import versions


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


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    port = free_port()
    told = {"WORKER_TOKEN": TOKEN, "WORKER_HOST": "127.0.0.1", "WORKER_PORT": str(port)}
    with process([sys.executable, "-m", "worker_container"], **told):
        eventually(lambda: listens(port))
        yield port


def doctor(port: int, path: str = "", token: str = TOKEN, store: str = "") -> Result:
    http = {"url": f"http://127.0.0.1:{port}{path}", "token": token}
    named = ["--store", store] if store else []
    with dask.config.set({"serverless.http": http, "serverless.containers": 1}):
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
