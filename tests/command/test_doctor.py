"""``dask serverless doctor``, against things that are really there, and really wrong."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dask
import pytest
from awaiting import eventually
from click.testing import CliRunner, Result
from store_servers import Servers

from dask_serverless.command.checks import machine
from dask_serverless.command.checks.blobs import probed
from dask_serverless.command.cli import serverless
from dask_serverless.store.address import parse
from dask_serverless.store.link import Link

PASSWORD = "correct-horse"
LEAST_PRIVILEGE = (  # as docs/security.md has it: no administration, no keys but ours
    "on", f">{PASSWORD}", "~ds:*", "&ds:*", "+@all", "-@admin", "-@dangerous", "+info",
)  # fmt: skip


def doctor(*arguments: str, **settings: object) -> Result:
    with dask.config.set({f"serverless.{name}": value for name, value in settings.items()}):
        return CliRunner().invoke(serverless, ["doctor", *arguments])


def verdict(result: Result, what: str) -> str:
    """The line about something, and what is to be done about it."""
    found = re.findall(rf"^  (?:ok|warning|failed) +{what} .*(?:\n +-> .*)?$", result.output, re.M)
    assert len(found) == 1, result.output
    return str(found[0]).strip()


def keys(url: str) -> list[bytes]:
    with Link(parse(url)) as link:
        return list(link.call(("KEYS", "*"))[0])


def with_password(url: str, password: str = PASSWORD, user: str = "") -> str:
    return url.replace("://", f"://{user}:{password}@")


def test_a_healthy_machine_is_well_in_a_process_of_its_own() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "dask", "serverless", "doctor"],
        capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    for what in ("python", "dask", "numpy", "open files", "server", "a run", "round trip", "clock"):
        assert re.search(rf"^  (ok|warning) +{what} ", done.stdout, re.MULTILINE), what
    assert done.stdout.splitlines()[-1].endswith("0 failed")
    assert done.stdout.isascii()


def test_nothing_is_left_in_a_store_that_is_named(start_server: Servers) -> None:
    url = start_server()
    result = doctor("--store", url)
    assert result.exit_code == 0, result.output
    assert verdict(result, "a run").startswith("ok")
    assert verdict(result, "access").startswith("warning"), "it has no password"
    assert keys(url) == []


def test_a_store_that_does_not_answer_fails_with_what_to_do() -> None:
    result = doctor("--store", f"redis://someone:{PASSWORD}@127.0.0.1:1")
    assert result.exit_code == 1
    assert "No store answers at redis://someone:***@127.0.0.1:1" in verdict(result, "server")
    assert "-> Start or repair that server" in result.output
    assert PASSWORD not in result.output


def test_a_store_that_never_answers_does_not_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    from dask_serverless.command import doctor as command

    monkeypatch.setattr(command, "SECONDS", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as deaf:  # takes connections, says nothing
        result = doctor("--store", f"redis://127.0.0.1:{deaf.getsockname()[1]}")
    assert result.exit_code == 1
    assert "took longer than 1 s" in verdict(result, "store")


def test_each_thing_that_is_wrong_with_a_server_is_told(start_server: Servers) -> None:
    url = start_server("--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru")
    result = doctor("--store", url)
    assert result.exit_code == 1
    assert "maxmemory-policy is allkeys-lru" in result.output
    assert "-> Set maxmemory-policy to noeviction" in result.output


def test_a_full_server_fails_the_run_and_not_the_connection(start_server: Servers) -> None:
    url = start_server("--maxmemory", "1mb")
    result = doctor("--store", url)
    assert result.exit_code == 1
    assert "warning" in verdict(result, "memory")
    assert "is full" in verdict(result, "a run")
    assert keys(url) == []


def test_a_wrong_password_is_told_and_not_shown(start_server: Servers) -> None:
    url = start_server("--requirepass", PASSWORD)
    wrong = doctor("--store", with_password(url, "wrong-battery"))
    assert wrong.exit_code == 1
    assert "WRONGPASS" in verdict(wrong, "server")
    assert "wrong-battery" not in wrong.output
    right = doctor("--store", with_password(url))
    assert right.exit_code == 0, right.output
    assert PASSWORD not in right.output


def test_the_least_privilege_will_do_and_less_is_named(start_server: Servers) -> None:
    url = start_server()
    with Link(parse(url)) as link:
        link.call(("ACL", "SETUSER", "worker", *LEAST_PRIVILEGE))
        link.call(("ACL", "SETUSER", "mute", *LEAST_PRIVILEGE, "-@scripting"))
        link.call(("ACL", "SETUSER", "stranger", *LEAST_PRIVILEGE, "resetkeys", "~other:*"))
    allowed = doctor("--store", with_password(url, user="worker"))
    assert allowed.exit_code == 0, allowed.output
    assert "as the user worker" in verdict(allowed, "server")
    for user in ("mute", "stranger"):
        forbidden = doctor("--store", with_password(url, user=user))
        assert forbidden.exit_code == 1
        assert "NOPERM" in verdict(forbidden, "a run")
    assert keys(url) == []


def test_a_package_that_settings_need_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    from dask_serverless.command.checks import packages

    there = packages.installed
    monkeypatch.setattr(packages, "installed", lambda n: None if n == "lz4" else there(n))
    result = doctor(compression="lz4")
    assert result.exit_code == 1
    assert "-> pip install 'dask-serverless[lz4]'" in verdict(result, "lz4")
    assert doctor().exit_code == 0, "nobody asked for it"


def test_a_setting_that_means_nothing_is_one_line() -> None:
    for arguments, settings, told in (
        (["--store", "nonsense"], {}, "has no scheme"),
        (["--backend", "dokcer"], {}, "did you mean 'docker'"),
        ([], {"attempts": "many"}, "DASK_SERVERLESS__ATTEMPTS"),
        ([], {"memory": ["1 GiB", "2 GiB"]}, "names several sizes"),
        (["--backend", "http"], {}, "http.url"),
    ):
        result = doctor(*arguments, **settings)
        assert result.exit_code == 1, told
        (line,) = re.findall(r"^  failed .*", result.output, re.MULTILINE)
        assert told in line
        assert "Traceback" not in result.output


@contextmanager
def full_folder(path: Path) -> Iterator[Path]:
    """A small file system without any room."""
    path.mkdir()
    made = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(path)]
    if os.geteuid() or subprocess.run(made, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a file system")
    try:
        (path / "filler").write_bytes(b"0" * (64 << 10))
        yield path
    finally:
        subprocess.run(["umount", str(path)], check=True)


def test_a_full_folder_is_told_with_what_to_do(tmp_path: Path) -> None:
    with full_folder(tmp_path / "full") as folder:
        told = machine.folder("temporary files", str(folder))
        assert told.verdict.value == "failed"
        assert "No space left on device" in told.told
        assert "TMPDIR" in told.fix
        assert [each.name for each in folder.iterdir()] == ["filler"]
        result = doctor(blobs=f"file://{folder}/blobs")
        assert result.exit_code == 1
        assert "No space left on device" in verdict(result, "blobs")


def test_a_folder_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    assert "No such file" in machine.folder("temporary files", str(tmp_path / "none")).told
    file = tmp_path / "file"
    file.write_text("")
    result = doctor(blobs=f"file://{file}/blobs")
    assert result.exit_code == 1
    assert verdict(result, "blobs").startswith("failed")


def test_blobs_are_written_read_and_deleted_without_a_trace(tmp_path: Path) -> None:
    probed(f"file://{tmp_path}/new")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "kept").mkdir()
    probed(f"file://{tmp_path}/kept")
    assert list((tmp_path / "kept").iterdir()) == []


def test_blobs_that_containers_cannot_see_are_told() -> None:
    result = doctor(blobs="file:///tmp/blobs", backend="docker")
    assert result.exit_code == 1
    assert "file:///tmp/blobs is another place in containers" in result.output


def test_a_file_system_that_is_not_installed_is_told() -> None:
    result = doctor(blobs=f"oss://key:{PASSWORD}@bucket/folder")
    assert result.exit_code == 1
    assert "-> Install ossfs" in verdict(result, "blobs")
    assert PASSWORD not in result.output


def test_ctrl_c_ends_it_without_a_traceback() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        met: list[socket.socket] = []
        threading.Thread(target=lambda: met.append(deaf.accept()[0]), daemon=True).start()
        command = [sys.executable, "-m", "dask", "serverless", "doctor", "--store"]
        process = subprocess.Popen(
            [*command, f"redis://127.0.0.1:{deaf.getsockname()[1]}"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
        eventually(lambda: met, 60)
        process.send_signal(2)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.strip() == "Interrupted."


def test_a_history_that_cannot_be_written_is_told_before_a_run_warns_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("where a folder would have to be")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    told = verdict(doctor(history=True), "history")
    assert told.startswith("warning") and str(tmp_path) in told and "setting history" in told
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "not there yet"))
    assert verdict(doctor(history=True), "history").startswith("ok")
    assert not (tmp_path / "not there yet").exists()
    assert " history " not in doctor(history=False).output
