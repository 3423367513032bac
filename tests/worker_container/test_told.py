"""What a container is told by its environment: what cannot be so is one line, and its end."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from dask_serverless.errors import SettingsError
from worker_container.settings import ContainerSettings

ROOT = Path(__file__).parents[2]
TOKEN = secrets.token_hex(16)
PASSWORD = "PASSWORD"

WRONG = {
    "TOKEN": ["short", f"{PASSWORD * 4}\n", f"{PASSWORD * 4}ö", f"{PASSWORD} {PASSWORD * 2}"],
    "STORE": [f"redi://u:{PASSWORD}@h", f"redis://u:{PASSWORD}@h:port", f"u:{PASSWORD}", "redis://h/x"],
    "SECRET": ["x", PASSWORD],
    "INVITE_URL": [f"foo:{PASSWORD}", f"http://u:{PASSWORD}@x", "http://x?y", "x"],
    "MODULES": ["nonexist_mod", "json nonexist_mod.part", ".x"],
    "HOST": [""],
    "PORT": ["", "http", "-1", "65536", "80.0", f"tcp://u:{PASSWORD}@h"],
    "ATTEMPTS": ["0", "-1", "1.5", ""],
    "LEASE_SECONDS": ["0", "-1", "nan", "inf", "soon"],
    "IDLE_SECONDS": ["0", "nan"],
    "GRACE_SECONDS": ["-0.1", "nan", "inf"],
    "REQUEST_SECONDS": ["nan", "-1", "1e9999", "900s"],
    "MEMORY_MB": ["-1", "1 GiB"],
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in WRONG.items() for value in values]
)
def test_what_cannot_be_so_is_refused_by_the_variables_name(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        ContainerSettings.from_environment({"WORKER_TOKEN": TOKEN, f"WORKER_{name}": value})
    told = str(caught.value)
    assert told.startswith(f"The setting WORKER_{name} ")
    assert PASSWORD not in told and "http.url" not in told


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("WORKER_IDLE_SECOND", "WORKER_IDLE_SECONDS"),
        ("WORKER_TOKENS", "WORKER_TOKEN"),
        ("WORKER_INVITEURL", "WORKER_INVITE_URL"),
        ("WORKER_MEMORY", "WORKER_MEMORY_MB"),
    ],
)
def test_a_mistyped_variable_is_not_ignored(variable: str, meant: str) -> None:
    with pytest.raises(SettingsError, match=f"{variable} does not exist; did you mean {meant}"):
        ContainerSettings.from_environment({"WORKER_TOKEN": TOKEN, variable: "3"})


def test_variables_of_others_are_left_alone() -> None:
    """Kubernetes names these for a service called worker; the last one is ours."""
    others = ("WORKER_SERVICE_HOST", "WORKER_SERVICE_PORT", "WORKER_PORT_80_TCP", "WORKER_OWNED")
    told = {"WORKER_TOKEN": TOKEN, "WORKER_NAME": "one", **dict.fromkeys(others, "0")}
    assert ContainerSettings.from_environment(told) == ContainerSettings(TOKEN, name="one")


def test_what_is_understood() -> None:
    told = {
        "TOKEN": TOKEN, "MODULES": "json os.path", "STORE": "rediss://u:p@h", "GRACE_SECONDS": "0",
        "REQUEST_SECONDS": "0", "INVITE_URL": "https://host/path", "SECRET": "s" * 16,
    }  # fmt: skip
    settings = ContainerSettings.from_environment({f"WORKER_{n}": v for n, v in told.items()})
    assert settings.modules == ("json", "os.path")
    assert settings.platform is not None and settings.platform.url == "https://host/path"
    assert settings.platform.token == TOKEN


@pytest.mark.parametrize(
    ("told", "port"),
    [({}, 8080), ({"PORT": "1"}, 1), ({"PORT": "1", "WORKER_PORT": "2"}, 2), ({"WORKER_PORT": "2"}, 2)],
)  # fmt: skip
def test_the_port_that_platforms_name_is_understood(told: dict[str, str], port: int) -> None:
    assert ContainerSettings.from_environment({"WORKER_TOKEN": TOKEN, **told}).port == port


def refusal(**told: object) -> str:
    environment = {f"WORKER_{name}": str(value) for name, value in told.items()}
    done = subprocess.run(
        [sys.executable, "-m", "worker_container"],
        cwd=ROOT, env={**os.environ, "WORKER_TOKEN": TOKEN, **environment},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "")
    return done.stderr


def test_a_port_in_use_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        told = refusal(PORT=port)
    assert told.startswith(f"The setting WORKER_PORT leads to 127.0.0.1:{port}, where ")
    assert told.count("\n") == 1 and "in use" in told


@pytest.mark.parametrize("host", ["no-such-host.invalid", "two..dots", "192.0.2.1"])
def test_a_host_that_is_not_here_is_one_line(host: str) -> None:
    told = refusal(HOST=host)
    assert told.startswith(f"The setting WORKER_HOST leads to {host}:8080, where ")
    assert told.count("\n") == 1


@pytest.mark.parametrize(
    "told", [{"STORE": f"redi://u:{PASSWORD}@h"}, {"INVITE_URL": "foo:PASSWORD"}]
)
def test_what_is_wrong_is_one_line_without_secrets(told: dict[str, str]) -> None:
    said = refusal(**told)
    assert said.count("\n") == 1 and "The setting WORKER_" in said
    assert PASSWORD not in said and TOKEN not in said
