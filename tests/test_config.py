"""Settings: where they come from, and what is refused."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from typing import Any

import dask.config
import pytest

from dask_serverless.config import Settings
from dask_serverless.errors import SettingsError, StoreUrlInvalid


def test_the_defaults_need_nothing() -> None:
    settings = Settings.gather()
    assert settings.store is None
    assert settings.containers is None
    assert settings.planner == "structural"
    assert settings.inline_bytes == 16 * 1024
    assert settings.attempts == 3


def test_keywords_come_before_the_configuration() -> None:
    with dask.config.set({"serverless.containers": 3, "serverless.attempts": 5}):
        settings = Settings.gather(containers=2)
    assert (settings.containers, settings.attempts) == (2, 5)


def test_none_as_a_keyword_takes_a_setting_back() -> None:
    with dask.config.set({"serverless.memory": "1 GiB"}):
        assert Settings.gather(memory=None).memory is None


def test_the_environment_is_read() -> None:
    environment = {
        "DASK_SERVERLESS__STORE": "redis://somewhere:7000/1",
        "DASK_SERVERLESS__MEMORY": "2 GiB",
        "DASK_SERVERLESS__INLINE_BYTES": "100",
    }
    script = (
        "from dask_serverless.config import Settings; s = Settings.gather(); "
        "print(s.store, s.memory, s.inline_bytes)"
    )
    output = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert output.split() == ["redis://somewhere:7000/1", str(2 << 30), "100"]


def test_hyphens_mean_underscores_as_everywhere_in_dask() -> None:
    with dask.config.set({"serverless.idle-seconds": 5}):
        assert Settings.gather().idle_seconds == 5.0


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("memory", "2 GiB", 2 << 30),
        ("memory", 1_000_000, 1_000_000),
        ("result_limit", "1 kB", 1000),
        ("inline_bytes", 0, 0),
        ("compression", "lz4", "lz4"),
        ("blobs", "s3://bucket/folder", "s3://bucket/folder"),
        ("store", "rediss+cluster://user:secret@host:1", "rediss+cluster://user:secret@host:1"),
        ("idle_seconds", 0.5, 0.5),
    ],
)
def test_what_is_understood(name: str, value: Any, expected: Any) -> None:
    assert getattr(Settings.gather(**{name: value}), name) == expected


REFUSED = [
    ("containers", 0),
    ("containers", 2.5),
    ("containers", True),
    ("containers", "many"),
    ("memory", "2 GiX"),
    ("memory", 0),
    ("memory", -1),
    ("memory", [1]),
    ("planner", 3),
    ("planner", ""),
    ("backend", None),
    ("inline_bytes", None),
    ("blobs", "folder"),
    ("compression", "zip"),
    ("idle_seconds", -1),
    ("lease_seconds", "soon"),
    ("lease_seconds", float("nan")),
    ("attempts", 0),
    ("result_limit", "all"),
    ("store", 6379),
]


@pytest.mark.parametrize(("name", "value"), REFUSED)
def test_a_keyword_that_means_nothing_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.gather(**{name: value})
    assert f"Serverless({name}=...)" in str(caught.value)
    assert repr(value) in str(caught.value)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


@pytest.mark.parametrize(("name", "value"), REFUSED)
def test_a_configured_value_that_means_nothing_is_refused_by_name(name: str, value: Any) -> None:
    with (
        dask.config.set({f"serverless.{name}": value}),
        pytest.raises(SettingsError, match=f"DASK_SERVERLESS__{name.upper()}"),
    ):
        Settings.gather()


def test_an_unknown_keyword_names_the_valid_ones() -> None:
    with pytest.raises(TypeError, match="'workers'") as caught:
        Settings.gather(workers=2)
    assert "containers" in str(caught.value)
    with pytest.raises(TypeError, match="did you mean 'containers'"):
        Settings.gather(container=2)


def test_an_unknown_setting_is_not_ignored() -> None:
    with (
        dask.config.set({"serverless.inline_byte": 5}),
        pytest.raises(SettingsError, match="did you mean 'inline_bytes'"),
    ):
        Settings.gather()


def test_a_section_that_is_none_is_refused() -> None:
    with dask.config.set({"serverless": 5}), pytest.raises(SettingsError, match="named settings"):
        Settings.gather()


def test_a_password_in_a_wrong_url_is_not_shown() -> None:
    with pytest.raises(StoreUrlInvalid) as caught:
        Settings.gather(store="http://:secret@host")
    assert "secret" not in str(caught.value)
