"""Settings: where they come from, and what is refused."""

from __future__ import annotations

import importlib.metadata
import inspect
import os
import pickle
import pydoc
import subprocess
import sys
from dataclasses import fields, replace
from datetime import timedelta
from pathlib import Path
from pprint import pformat
from typing import Any

import dask.config
import numpy as np
import pytest

import dask_serverless
from dask_serverless import Serverless
from dask_serverless.backends.docker.making import docker_backend
from dask_serverless.blobs.blobs import INLINE_BYTES
from dask_serverless.config import DESCRIPTIONS, NO_GOAL, Settings
from dask_serverless.errors import SettingsError, StoreUrlInvalid
from dask_serverless.values import CHECKS
from planners.structural import Structural


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that speaks of settings but what a test says itself."""
    for name in [name for name in os.environ if name.startswith("DASK_SERVERLESS")]:
        monkeypatch.delenv(name)


def test_the_defaults_need_nothing() -> None:
    settings = Settings.gather()
    assert settings.store is None
    assert settings.containers is None
    assert settings.planner == "auto"
    assert settings.inline_bytes == INLINE_BYTES
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
        ("containers", np.int64(4), 4),
        ("memory", 1_000_000, 1_000_000),
        ("memory", np.int64(1_000_000), 1_000_000),
        ("result_limit", "1 kB", 1000),
        ("inline_bytes", 0, 0),
        ("compression", "lz4", "lz4"),
        ("blobs", "s3://bucket/folder", "s3://bucket/folder"),
        ("store", "rediss+cluster://user:secret@host:1", "rediss+cluster://user:secret@host:1"),
        ("idle_seconds", 0.5, 0.5),
        ("sla", "average", "average"),
        ("sla", np.int64(90), 90),
        ("deadline", "5 minutes", 300.0),
        ("deadline", "30", 30.0),
        ("deadline", timedelta(minutes=1), 60.0),
        ("deadline", np.float32(0.5), 0.5),
        ("budget", 1, 1.0),
    ],
)
def test_what_is_understood(name: str, value: Any, expected: Any) -> None:
    assert getattr(Settings.gather(**{name: value}), name) == expected


REFUSED = [
    ("memory", " "),
    ("inline_bytes", " "),
    ("result_limit", "\t"),
    ("history", " "),
    ("history", "no"),
    ("history", "Off"),
    ("containers", 0),
    ("containers", 2.5),
    ("containers", True),
    ("containers", "many"),
    ("containers", 10**9),
    ("memory", "2 GiX"),
    ("memory", 0),
    ("memory", -1),
    ("memory", ""),
    ("memory", float("inf")),
    ("memory", "1e400"),
    ("memory", ["2 GiB", "many"]),
    ("planner", 3),
    ("planner", ""),
    ("planner", Structural),
    ("backend", None),
    ("inline_bytes", None),
    ("blobs", "folder"),
    ("compression", "zip"),
    ("idle_seconds", -1),
    ("lease_seconds", "soon"),
    ("lease_seconds", float("nan")),
    ("attempts", 0),
    ("attempts", 10**30),
    ("retries", 10**30),
    ("result_limit", "all"),
    ("result_limit", ""),
    ("store", 6379),
    ("sla", 0),
    ("sla", 101),
    ("sla", 99.5),
    ("sla", True),
    ("sla", "mean"),
    ("deadline", "soon"),
    ("deadline", ""),
    ("deadline", np.timedelta64(5, "s")),
    ("deadline", "nan"),
    ("deadline", 0),
    ("deadline", "-1 s"),
    ("deadline", float("inf")),
    ("deadline", True),
    ("budget", -1),
    ("budget", float("nan")),
    ("budget", "2 dollars"),
    ("events", ""),
    ("optimizations", ""),
    ("optimizations", [["streaming"]]),
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


@pytest.mark.parametrize(("section", "own"), [("docker", "cpus"), ("http", "url")])
def test_a_backends_section_that_is_none_is_told_its_own_settings(section: str, own: str) -> None:
    problem = rf"\({section}=...\) is 5.* named settings: .*{own}"
    with pytest.raises(SettingsError, match=problem):
        Settings.gather(**{section: 5})


# What only one backend has


@pytest.mark.parametrize(
    ("keywords", "where"),
    [
        ({"backend": "docker", "cpus": "many"}, "Serverless(cpus=...) is 'many'"),
        ({"docker": {"cpus": "many"}}, "Serverless(docker={'cpus': ...}) is 'many'"),
        ({"docker": {"cpu": 1}}, "Serverless(docker={'cpu': ...}) does not exist; did you mean"),
    ],
)
def test_a_keyword_that_only_a_backend_has_is_refused_by_name(
    keywords: dict[str, Any], where: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.gather(**keywords)
    assert where in str(caught.value)


@pytest.mark.parametrize(
    "told",
    [
        {"http": {"token": "abcdefgh12345678"}},
        {"http": {"url": "https://worker.run.app"}},
        {"http": {"url": "", "token": ""}},
        {"aws_lambda": {"subnets": ["subnet-1"]}},
    ],
)
def test_what_another_backend_still_lacks_bothers_none(told: dict[str, Any]) -> None:
    with dask.config.set({"serverless": told}):
        settings = Settings.gather()
    (section,) = told
    for name, value in told[section].items():
        assert list(getattr(getattr(settings, section), name)) == list(value)


def test_what_is_told_of_another_backend_is_validated_nevertheless() -> None:
    with (
        dask.config.set({"serverless.http": {"url": "worker.run.app"}}),
        pytest.raises(SettingsError, match=r"serverless\.http\.url .*must be like https://"),
    ):
        Settings.gather()


def test_a_size_of_tmp_that_is_none_is_told_the_unit() -> None:
    assert Settings.gather(backend="docker", tmp="1 GiB").docker.tmp == 1 << 30
    for value in ("1 furlong", "1e400", "8 kB", True):
        with pytest.raises(SettingsError, match=r"tmp=.*number of bytes from 1 MiB on.*256 MiB"):
            Settings.gather(backend="docker", tmp=value)


@pytest.mark.parametrize(
    ("told", "problem"),
    [
        (
            {"tmp": "3 GiB", "memory": "512 MiB"},
            r"docker\.tmp is 3.00 GiB, but .*memory, which is 5",
        ),
        ({"tmp": "3 GiB"}, r"docker\.tmp is 3.00 GiB, but .*memory, which is 2.00 GiB"),
        ({"warm": 50, "containers": 2}, r"docker\.warm is 50, but .*containers, which is 2"),
    ],
)
def test_what_no_container_of_docker_has_room_for_is_refused(
    told: dict[str, Any], problem: str
) -> None:
    with pytest.raises(SettingsError, match=problem):
        docker_backend(Settings.gather(backend="docker", **told))


@pytest.mark.parametrize(
    "told",
    [
        {"memory": "128 MiB"},
        {"memory": ["512 MiB", "4 GiB"], "tmp": "1 GiB"},
        {"warm": 2, "containers": 2},
    ],
)
def test_what_the_largest_has_room_for_and_what_nobody_told_is_not(told: dict[str, Any]) -> None:
    assert docker_backend(Settings.gather(backend="docker", **told)).containers


@pytest.mark.parametrize("told", [{"secret": 10**18}, {"http": {"token": 10**18}}])
def test_a_secret_that_is_a_number_is_to_be_quoted(told: dict[str, Any]) -> None:
    with dask.config.set({"serverless": told}), pytest.raises(SettingsError) as caught:
        Settings.gather()
    assert "between quotes" in str(caught.value)
    assert str(10**18) not in str(caught.value)


def test_a_history_at_a_url_is_refused_instead_of_making_folders_of_that_name() -> None:
    with pytest.raises(SettingsError, match="path of a file; in a named store it is kept"):
        Settings.gather(history="redis://somewhere/0")
    assert Settings.gather(history="./no").history == os.path.abspath("no")


def test_a_keyword_of_another_backend_says_which() -> None:
    with pytest.raises(TypeError, match="'requirements' only with backend='docker' or .*'lambda'"):
        Settings.gather(requirements=["pandas"])


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


def test_a_section_without_names_is_refused() -> None:
    with dask.config.set({"serverless": 5}), pytest.raises(SettingsError, match="named settings"):
        Settings.gather()


def test_a_password_in_a_wrong_url_is_not_shown() -> None:
    with pytest.raises(StoreUrlInvalid) as caught:
        Settings.gather(store="http://:secret@host")
    assert "secret" not in str(caught.value)


def test_no_representation_shows_a_password() -> None:
    store, blobs = "redis://user:secret@host:1/0", "s3://key:secret@bucket/folder"
    settings = Settings.gather(store=store, blobs=blobs)
    assert (settings.store, settings.blobs) == (store, blobs)
    assert "secret" not in repr(settings) and "host:1" in repr(settings)
    with pytest.raises(SettingsError) as caught:
        Settings.gather(compression=blobs)
    assert "secret" not in str(caught.value)


TORN = "http://user:PASSWORD@host"
IN_WRONG_VALUES: list[dict[str, Any]] = [
    {"backend": "http", "url": TORN, "token": "t" * 16},
    {"backend": "http", "url": [TORN], "token": "t" * 16},
    {"backend": "http", "url": "http://host", "token": {"PASSWORD": "PASSWORD"}},
    {"backend": "http", "url": "http://host", "token": "t" * 16, "wait": TORN},
    {"backend": "lambda", "endpoint_url": TORN},
    {"backend": "lambda", "subnets": [TORN]},
    {"backend": "docker", "requirements": TORN},
    {"backend": "docker", "base": ("user:PASSWORD@registry/image",)},
    {"http": "PASSWORD, the token itself"},
    {"http": b"PASSWORD"},
    {"docker": [[TORN]]},
    {"backend": "http", "http": "PASSWORD", "url": "http://host", "token": "t" * 16},
]


@pytest.mark.parametrize("told", IN_WRONG_VALUES, ids=repr)
def test_no_refusal_of_a_backends_own_setting_shows_a_password(told: dict[str, Any]) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.gather(**told)
    assert "PASSWORD" not in str(caught.value)


@pytest.mark.parametrize(
    "variable",
    [
        "DASK_SERVERLESS",
        "DASK_SERVERLESS__HTTP",
        "DASK_SERVERLESS__HTTP__URL",
        "DASK_SERVERLESS__AWS_LAMBDA__ENDPOINT_URL",
    ],
)
def test_nor_where_a_variable_says_it(tmp_path: Path, variable: str) -> None:
    told = python(tmp_path, "", USE, **{variable: TORN})
    assert told.startswith("SettingsError The setting ")
    assert "PASSWORD" not in told


def test_keywords_come_before_a_section_of_any_kind() -> None:
    made = Settings.gather(backend="docker", docker={"cpus": 2, "pids": 64}).docker
    changed = Settings.gather(backend="docker", docker=made, pids=128).docker
    assert (changed.cpus, changed.pids) == (2, 128)


def test_no_representation_of_a_backends_own_settings_shows_a_password() -> None:
    settings = Settings.gather(backend="docker", base="user:PASSWORD@registry/image:1", cpus=2)
    assert settings.docker.base == "user:PASSWORD@registry/image:1"
    for text in (repr(settings), repr(settings.docker)):
        assert "PASSWORD" not in text
        assert "DockerSettings(" in text and "registry/image" in text and "cpus=2" in text


@pytest.mark.parametrize("blobs", ["s3://", "file:///", "memory://", "zip://a::s3://"])
def test_blobs_need_a_place(blobs: str) -> None:
    """Without a bucket, object stores make one for each run."""
    with pytest.raises(SettingsError, match="must name a place there, like s3://bucket/folder"):
        Settings.gather(blobs=blobs)


@pytest.mark.parametrize("blobs", ["memory://x", "simplecache::memory://x", "dir::memory://x"])
def test_blobs_that_only_one_process_can_see_are_refused(blobs: str) -> None:
    with pytest.raises(SettingsError, match="all processes see.* leave it out where .*s3://bucket"):
        Settings.gather(blobs=blobs)


@pytest.mark.parametrize(
    "blobs", ["https://host/x", "github://user:repo@main/x", "zip://a::s3://x"]
)
def test_blobs_where_nothing_can_be_written_are_refused(blobs: str) -> None:
    with pytest.raises(SettingsError, match="must be a place to write to, .*://bucket/folder"):
        Settings.gather(blobs=blobs)


def test_blobs_in_files_of_this_host_are_refused_for_containers_with_their_own() -> None:
    problem = "containers of the backend 'docker' have files of their own"
    for blobs in ("file:///tmp/x", "simplecache::local:///tmp/x"):
        with pytest.raises(SettingsError, match=problem):
            Serverless(backend="docker", blobs=blobs)


def test_no_variable_of_an_object_or_its_view_shows_a_secret() -> None:
    told: dict[str, Any] = {
        "store": "redis://:PASSWORD@127.0.0.1:1",
        "secret": "PASSWORD" * 4,
        "http": {"url": "http://host", "token": "PASSWORD" * 4},
    }
    made = Serverless(**told)
    view = made.options(blobs="s3://key:PASSWORD@bucket/folder")
    try:
        for text in (repr(vars(made)), repr(vars(view)), str(vars(view)), pformat(vars(made))):
            assert "PASSWORD" not in text
            assert "http://host" in text or "bucket/folder" in text
    finally:
        made.close()


@pytest.mark.parametrize(
    "base", ["python:3.11-slim", "host:5000/image:1", "host/image@sha256:" + "0a" * 32]
)
def test_an_images_tag_is_no_password(base: str) -> None:
    assert f"base={base!r}" in repr(Settings.gather(backend="docker", base=base))


# Configuration files and the environment, in processes of their own


def python(folder: Path, yaml: str, script: str, **environment: str) -> str:
    (folder / "mine.yaml").write_text(yaml)
    return subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "DASK_CONFIG": str(folder), **environment},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


USE = """
from dask_serverless import Serverless, serverless
for use in (Serverless, lambda: serverless({"x": 1}, "x")):
    try:
        use()
    except Exception as error:
        print(type(error).__name__, error)
"""


@pytest.mark.parametrize("value", ["3", "[1, 2]", "text", "true", "0", "[]"])
def test_a_file_whose_section_is_none_bothers_only_those_who_use_it(
    tmp_path: Path, value: str
) -> None:
    found = python(tmp_path, f"serverless: {value}\n", USE).splitlines()
    assert len(found) == 2
    for line in found:
        assert line.startswith("SettingsError The setting serverless (in ")
        assert "mine.yaml" in line and "named settings" in line


def test_dask_commands_work_whatever_the_section_is(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("serverless: [3]\n")
    for command in (["config", "list"], ["serverless", "--help"], ["serverless", "info"]):
        done = subprocess.run(
            [sys.executable, "-m", "dask", *command],
            env={**os.environ, "DASK_CONFIG": str(tmp_path)},
            capture_output=True,
            text=True,
        )
        assert "Traceback" not in done.stdout + done.stderr
    assert "mine.yaml" in " ".join(done.stdout.split())


def test_a_section_of_which_all_is_commented_out_means_the_defaults(tmp_path: Path) -> None:
    script = "from dask_serverless.config import Settings; print(Settings.gather().attempts)"
    assert python(tmp_path, "serverless:\n  # containers: 2\n", script) == "3\n"
    with dask.config.set({"serverless": None}):
        assert Settings.gather().attempts == 3
    with dask.config.set({"serverless": {"containers": 2}}):
        assert (Settings.gather().containers, Settings.gather().attempts) == (2, 3)


@pytest.mark.parametrize(
    ("yaml", "words"),
    [
        ("containers: many", ["serverless.containers (in ", "mine.yaml", "'many'"]),
        ("memory: [1 GiB, many]", ["serverless.memory (in ", "mine.yaml", "many"]),
        ("attempts: {a: 1}", ["serverless.attempts (in ", "mine.yaml"]),
        ("store: 6379", ["serverless.store (in ", "mine.yaml", "6379"]),
        ("conteiners: 2", ["serverless.conteiners (in ", "mine.yaml", "mean 'containers'"]),
        (
            "docker: {cpus: x}",
            ["serverless.docker.cpus (in ", "mine.yaml", "DASK_SERVERLESS__DOCKER__CPUS) is 'x'"],
        ),
        ("docker: 3", ["serverless.docker (in ", "mine.yaml", "named settings"]),
        ("token: x", ["serverless.token (in ", "mine.yaml", "did you mean 'http.token'?"]),
    ],
)
def test_a_wrong_setting_in_a_file_names_the_file(
    tmp_path: Path, yaml: str, words: list[str]
) -> None:
    found = python(tmp_path, f"serverless:\n  {yaml}\n", USE).splitlines()
    assert len(found) == 2
    assert [word for word in words if word not in found[0]] == []


def test_a_wrong_variable_is_named_and_not_a_file_that_it_overrides(tmp_path: Path) -> None:
    environment = {"DASK_SERVERLESS__CONTAINERS": "many"}
    found = python(tmp_path, "serverless:\n  containers: 2\n", USE, **environment)
    assert "DASK_SERVERLESS__CONTAINERS" in found and "mine.yaml" not in found
    found = python(tmp_path, "", USE, DASK_SERVERLESS__NO_SUCH="3")
    assert "DASK_SERVERLESS__NO_SUCH does not exist" in found
    assert "There are DASK_SERVERLESS__ALLOW_ORIGIN, DASK_SERVERLESS__ATTEMPTS" in found
    found = python(tmp_path, "", USE, DASK_SERVERLESS__CONTAINER="3")
    assert "did you mean 'DASK_SERVERLESS__CONTAINERS'" in found
    found = python(
        tmp_path, "serverless: {docker: {cpus: 2}}", USE, DASK_SERVERLESS__DOCKER__CPUS="x"
    )
    assert "serverless.docker.cpus (from DASK_SERVERLESS__DOCKER__CPUS) is 'x'" in found
    found = python(tmp_path, "", USE, DASK_SERVERLESS__DOCKER="{'cpus': 'x'}")
    assert "serverless.docker.cpus (from DASK_SERVERLESS__DOCKER) is 'x'" in found
    found = python(tmp_path, "", USE, DASK_SERVERLESS="7")
    assert "DASK_SERVERLESS)" in found and "named settings" in found


@pytest.mark.parametrize(
    ("told", "meant"),
    [
        ("TOKEN", "'DASK_SERVERLESS__HTTP__TOKEN'?"),
        ("HTTP_TOKEN", "'DASK_SERVERLESS__HTTP__TOKEN'?"),
        (
            "REQUIREMENTS",
            "'DASK_SERVERLESS__DOCKER__REQUIREMENTS' or 'DASK_SERVERLESS__AWS_LAMBDA__REQUIREMENTS'?",
        ),
    ],
)
def test_a_variable_that_only_a_backend_has_is_named_with_it(
    tmp_path: Path, told: str, meant: str
) -> None:
    found = python(tmp_path, "", USE, **{f"DASK_SERVERLESS__{told}": "x"})
    assert f"DASK_SERVERLESS__{told} does not exist; did you mean {meant}" in found


@pytest.mark.parametrize("digits", ["1234567890123456789", "0x12345678901234567", "00" * 10])
def test_a_secret_of_digits_in_the_environment_is_text(tmp_path: Path, digits: str) -> None:
    script = (
        "from dask_serverless.config import Settings; s = Settings.gather(); "
        "print(s.secret, s.http.token)"
    )
    environment = {"DASK_SERVERLESS__SECRET": digits, "DASK_SERVERLESS__HTTP__TOKEN": digits}
    assert python(tmp_path, "", script, **environment).split() == [digits, digits]


def test_a_variable_with_one_underscore_is_pointed_out_once(tmp_path: Path) -> None:
    script = """
import warnings
import dask_serverless
from dask_serverless import Serverless
from dask_serverless.blobs.blobs import INLINE_BYTES
from dask_serverless.config import DESCRIPTIONS, NO_GOAL, Settings
from dask_serverless.values import CHECKS
from planners.structural import Structural
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    Settings.gather()
    Settings.gather()
for warning in caught:
    print(warning.message)
"""
    environment = {"DASK_SERVERLESS_CONTAINERS": "2", "DASK_SERVERLESS_TEST_DATA": "x"}
    (line,) = python(tmp_path, "", script, **environment).splitlines()
    assert "DASK_SERVERLESS_CONTAINERS means nothing" in line
    assert "DASK_SERVERLESS__CONTAINERS, with two" in line
    for name in ("DASK_SERVERLESS_HTTP__TOKEN", "DASK_SERVERLESS_HTTP_TOKEN"):
        (line,) = python(tmp_path, "", script, **{name: "2"}).splitlines()
        assert f"{name} means nothing; the setting http.token is DASK_SERVERLESS__HTTP__T" in line


# What is shown of them


def test_help_signature_and_completion_show_every_setting() -> None:
    shown = inspect.signature(Serverless).parameters
    defaults = {name: parameter.default for name, parameter in shown.items()}
    assert list(defaults) == list(CHECKS) == [field.name for field in fields(Settings)]
    with dask.config.set({"serverless": defaults}):
        told = Settings.gather(**defaults)
        assert replace(Settings.gather(), **NO_GOAL) == told  # None of a goal, said, is none
    text = pydoc.render_doc(Serverless)
    for described in DESCRIPTIONS:
        assert described.meaning in text
    assert list(inspect.signature(dask_serverless.serverless).parameters)[:2] == ["graph", "keys"]


def test_the_version_is_that_of_the_distribution() -> None:
    assert dask_serverless.__version__ == importlib.metadata.version("dask-serverless")
