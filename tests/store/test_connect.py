"""What is refused when connecting, with which words."""

from __future__ import annotations

import pickle
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from store_servers import Servers

from dask_serverless import errors
from dask_serverless.store.address import parse
from dask_serverless.store.connect import open_link
from dask_serverless.store.link import Link


def refused(url: str) -> errors.StoreError:
    """The error for this URL, after a trip through pickle."""
    with pytest.raises(errors.StoreError) as caught:
        open_link(url, patience_seconds=0.2)
    error = pickle.loads(pickle.dumps(caught.value))
    assert str(error) == str(caught.value)
    assert vars(error) == vars(caught.value)
    assert "DASK_SERVERLESS__STORE" in str(error)
    assert "secret" not in str(error) + repr(error)
    return error


@contextmanager
def answering(answer: bytes) -> Iterator[str]:
    """Something that gives the same answer to whatever it is told."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while line := self.rfile.readline():
                if line.startswith(b"*"):
                    self.wfile.write(answer)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"redis://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.mark.parametrize(
    ("answer", "server", "needed"),
    [
        (b"redis_version:6.0.16\r\n", "Redis", "Redis 6.2"),
        (b"redis_version:7.2.4\r\nvalkey_version:7.1.0\r\n", "Valkey", "Valkey 7.2"),
    ],
)
def test_a_server_that_is_too_old(answer: bytes, server: str, needed: str) -> None:
    with answering(b"$%d\r\n%s\r\n" % (len(answer), answer)) as url:
        error = refused(url)
    assert isinstance(error, errors.StoreTooOld)
    assert (error.server, error.needed) == (server, needed)


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
def test_a_server_that_evicts(start_server: Servers, policy: str) -> None:
    error = refused(start_server("--maxmemory-policy", policy))
    assert isinstance(error, errors.StoreEvicts)
    assert error.policy == policy
    assert "noeviction" in str(error)


def test_a_read_only_replica_names_its_primary(start_server: Servers) -> None:
    primary = parse(start_server())
    error = refused(start_server("--replicaof", f"{primary.host} {primary.port}"))
    assert isinstance(error, errors.StoreReadOnly)
    assert error.primary == f"{primary.host}:{primary.port}"


def test_a_primary_that_becomes_a_replica_during_a_run(start_server: Servers) -> None:
    primary, other = parse(start_server()), start_server()
    with open_link(other, patience_seconds=0.3) as link:
        link.call(("REPLICAOF", primary.host, primary.port))
        with pytest.raises(errors.StoreReadOnly):
            link.call(("SET", "a", 1))


def test_a_missing_password(start_server: Servers) -> None:
    error = refused(start_server("--requirepass", "secret"))
    assert isinstance(error, errors.StoreDenied)
    assert "NOAUTH" in error.reason


def test_a_wrong_password_is_not_shown(start_server: Servers) -> None:
    url = start_server("--requirepass", "other").replace("//", "//:secret@")
    error = refused(url)
    assert isinstance(error, errors.StoreDenied)
    assert ":***@" in error.url


def test_a_user_without_the_right_to_run_scripts(start_server: Servers) -> None:
    url = start_server()
    with Link(parse(url)) as link:
        link.call(("ACL", "SETUSER", "guest", "on", ">secret", "~*", "+info", "+ping"))
    with (
        open_link(url.replace("//", "//guest:secret@")) as guest,
        pytest.raises(errors.StoreDenied, match="NOPERM"),
    ):
        guest.call(("EVAL", "return 1", 0))


def test_the_right_password_and_a_database(start_server: Servers) -> None:
    url = start_server("--requirepass", "p@ss/word").replace("//", "//:p%40ss%2Fword@") + "/3"
    with open_link(url) as link:
        link.call(("SET", "a", 1))
    with open_link(url.removesuffix("/3")) as link:
        assert link.call(("GET", "a")) == [None]


def test_a_server_that_forbids_config_is_judged_by_info(start_server: Servers) -> None:
    url = start_server("--rename-command", "CONFIG", "")
    with open_link(url) as link:
        assert link.call(("PING",)) == [b"PONG"]


def test_nobody_there() -> None:
    error = refused("redis://:secret@127.0.0.1:1")
    assert isinstance(error, errors.StoreUnreachable)
    assert "refused" in error.cause


def test_somebody_else_there() -> None:
    with answering(b"HTTP/1.1 400 Bad Request\r\n\r\n") as url:
        error = refused(url)
    assert isinstance(error, errors.StoreUnreachable)
    assert "HTTP" in error.cause or "Protocol" in error.cause


def test_the_protected_mode() -> None:
    with answering(b"-DENIED Redis is running in protected mode\r\n") as url:
        error = refused(url)
    assert isinstance(error, errors.StoreDenied)
    assert "protected mode" in error.reason


def test_too_many_clients(start_server: Servers) -> None:
    url = start_server("--maxclients", 1)
    with Link(parse(url)) as first:
        first.call(("PING",))
        error = refused(url)
    assert isinstance(error, errors.StoreUnreachable)


def test_a_name_that_does_not_resolve() -> None:
    assert isinstance(refused("redis://nobody.invalid"), errors.StoreUnreachable)


def test_a_socket_that_is_not_there(tmp_path: Path) -> None:
    assert isinstance(refused("unix:///nowhere/socket"), errors.StoreUnreachable)


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:6379",
        "localhost:6379",
        "",
        "redis://localhost:port",
        "redis://:secret@localhost/zero",
        "unix://",
        "unix:///" + "long/" * 30,
        "redis+cluster://localhost:6379/1",
    ],
)
def test_a_url_that_means_nothing_lists_the_schemes(url: str) -> None:
    error = refused(url)
    assert isinstance(error, errors.StoreUrlInvalid)
    for scheme in ("redis://", "rediss://", "unix://", "redis+cluster://"):
        assert scheme in str(error)


def test_a_server_is_checked_once(start_server: Servers) -> None:
    url = start_server()
    open_link(url).close()
    with Link(parse(url)) as link:
        link.call(("CONFIG", "SET", "maxmemory-policy", "allkeys-lru"))
    with open_link(url) as link:
        assert link.call(("PING",)) == [b"PONG"]
