"""Stores over TLS: the authority that is named is the only one, and a mistake is no weaker link."""

from __future__ import annotations

import socket
import ssl
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import dask
import dask.array as da
import pytest
from awaiting import eventually
from dask import delayed
from http_platform import TOKEN, free_port, healthy, process
from store_servers import Servers
from tls_servers import Authority, server_of

from dask_serverless import Serverless, errors
from dask_serverless.backends.entry_point import Address, EntryPoint
from dask_serverless.store.address import parse
from dask_serverless.store.connect import open_link


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def other(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Who vouches for somebody else's servers."""
    return Authority(tmp_path_factory.mktemp("other"))


@pytest.fixture
def tls_url(start_server: Servers, authority: Authority) -> str:
    return server_of(authority, start_server)


def refused(url: str) -> errors.StoreError:
    """At once: these tests are over before a patience of this length is."""
    with pytest.raises(errors.StoreError) as caught:
        open_link(url, patience_seconds=600.0)
    return caught.value


def test_the_authority_named(tls_url: str, authority: Authority) -> None:
    value = bytes(1_000_000)
    with open_link(tls_url + authority.named) as link:
        assert link.call(("SET", "a", value), ("GET", "a")) == [b"OK", value]


@pytest.mark.parametrize("named", [False, True], ids=["none", "another"])
def test_a_server_that_no_known_authority_vouches_for(
    tls_url: str, other: Authority, named: bool
) -> None:
    error = refused(tls_url + (other.named if named else ""))
    assert isinstance(error, errors.StoreUnreachable)
    assert "certificate verify failed" in error.cause
    assert "?ssl_ca_certs=/path/to/ca.pem" in str(error)


def test_a_certificate_of_another_host(tls_url: str, authority: Authority) -> None:
    error = refused(tls_url.replace("127.0.0.1", "localhost") + authority.named)
    assert "Hostname mismatch" in str(error)


@contextmanager
def in_between(certificate: Authority) -> Iterator[tuple[int, list[bytes]]]:
    """Somebody who answers in the place of the server, and notes what he is told."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.certificate, certificate.key)
    heard: list[bytes] = []
    over = threading.Event()

    def listen(listening: socket.socket) -> None:
        while not over.is_set():
            with suppress(OSError):
                connection, _ = listening.accept()
                with connection, context.wrap_socket(connection, server_side=True) as secure:
                    heard.append(secure.recv(1000))

    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0.1)
        thread = threading.Thread(target=listen, args=(listening,))
        thread.start()
        try:
            yield listening.getsockname()[1], heard
        finally:
            over.set()
            thread.join()


def test_no_password_is_told_to_somebody_in_between(authority: Authority, other: Authority) -> None:
    with in_between(other) as (port, heard):
        url = f"rediss://:hunter2@127.0.0.1:{port}"
        assert "hunter2" not in str(refused(url + authority.named))
        assert not any(heard)
        with pytest.raises(errors.StoreUnreachable):  # nobody looks who he is, and he hears it
            open_link(url + "?ssl_cert_reqs=none", patience_seconds=0.2)
        assert b"hunter2" in heard[-1]


def test_a_server_that_is_not_to_prove_anything(tls_url: str) -> None:
    with open_link(f"{tls_url}?ssl_cert_reqs=none") as link:
        assert link.call(("PING",)) == [b"PONG"]


def test_a_plain_url_of_a_tls_server(tls_url: str) -> None:
    with pytest.raises(errors.StoreUnreachable):
        open_link(tls_url.replace("rediss:", "redis:"), patience_seconds=0.2)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("rediss://host?ssl_cacerts=/ca.pem", "option ssl_cacerts, and there are only db, ssl_ca"),
        ("rediss://host?sll_cert_reqs=none", "option sll_cert_reqs, and there are only db, ssl_ca"),
        ("redis://host?database=3", "option database, and there are only db, ssl_ca_certs"),
        ("rediss://host?ssl_ca_certs=", "has ssl_ca_certs, but nothing behind it"),
        ("rediss://host?ssl_cert_reqs=require", "ssl_cert_reqs that is none of required"),
        ("rediss://host?ssl_check_hostname=maybe", "ssl_check_hostname that is none of true"),
        ("redis://host?ssl_ca_certs=/ca.pem", "encrypts nothing: its scheme must be rediss"),
        ("redis+cluster://host?ssl_ca_certs=/ca.pem", "its scheme must be rediss.cluster"),
        ("unix:///socket?ssl_ca_certs=/ca.pem", "its scheme must be rediss"),
    ],
)
def test_words_that_would_be_a_weaker_link_than_was_meant(url: str, problem: str) -> None:
    with pytest.raises(errors.StoreUrlInvalid, match=problem):
        parse(url)


def test_files_that_cannot_be_used_are_named_at_once(tls_url: str, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no certificate")
    for words in (
        "ssl_ca_certs=/none/such.pem", f"ssl_ca_certs={tmp_path}", f"ssl_ca_certs={tmp_path}/text",
        "ssl_certfile=/none/such.pem", f"ssl_certfile={tmp_path}/text",
    ):  # fmt: skip
        error = refused(f"{tls_url}?{words}")
        assert isinstance(error, errors.StoreUrlInvalid)
        assert words in str(error)


def test_runs_over_tls(tls_url: str, authority: Authority) -> None:
    with Serverless(store=tls_url + authority.named, containers=2, inline_bytes=0) as client:
        x = da.ones((300, 300), chunks=100)
        assert dask.compute((x + x.T).sum(), scheduler=client) == (180_000,)


@pytest.mark.parametrize("named", [False, True], ids=["missing", "wrong"])
def test_containers_that_know_another_authority_are_told_apart(
    tls_url: str, authority: Authority, other: Authority, named: bool
) -> None:
    """As in an image that lacks the file, or has somebody else's."""
    words = other.named if named else "?ssl_ca_certs=/none/such.pem"
    port = free_port()
    environment = {
        "WORKER_TOKEN": TOKEN, "WORKER_HOST": "127.0.0.1", "WORKER_PORT": str(port),
        "WORKER_STORE": tls_url + words,
    }  # fmt: skip
    with process([sys.executable, "-m", "worker_container"], **environment):
        point = EntryPoint(Address("127.0.0.1", port, TOKEN))
        eventually(lambda: healthy(point), 90)
        point.close()
        told = {"url": f"http://127.0.0.1:{port}", "token": TOKEN, "backend": "http"}
        with Serverless(store=tls_url + authority.named, containers=1, **told) as client:
            with pytest.raises(errors.ContainersCutOff) as caught:
                dask.compute(delayed(sum)([1, 2]), scheduler=client)
    assert ("certificate verify failed" if named else "/none/such.pem") in str(caught.value)
