"""What answers behind a URL in the place of containers, and what comes of that: one clear error."""

from __future__ import annotations

import ssl
import threading
import time
from collections import Counter
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import dask
import pytest
from dask import delayed
from tls_servers import Authority

from dask_serverless import Serverless
from dask_serverless.backends import asking
from dask_serverless.backends.asking import Asking
from dask_serverless.backends.http.endpoint import Endpoint, seconds_of
from dask_serverless.backends.http.settings import HttpSettings
from dask_serverless.backends.messages import Resting, line_of
from dask_serverless.errors import (
    ContainersAbsent,
    ContainersNotStarting,
    PlatformUnavailable,
    SettingsError,
)
from dask_serverless.worker.invitation import Invitation

TOKEN = "t" * 16
INVITATION = Invitation("run", "epoch", "")


@contextmanager
def answering(status, content, asked=None, authority=None, **headers):
    """A server that answers every request in this way; its URL. When it is asked is noted.

    With an authority it speaks TLS.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            if asked is not None:
                asked.append(time.monotonic())
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        if authority is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(authority.certificate, authority.key)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http{'s' if authority else ''}://127.0.0.1:{server.server_port}"
        server.shutdown()


NO_CONTAINERS = [
    b"<html>Welcome to nginx!</html>",
    b"",
    b"[" * 100_000,  # more than any parser goes into
    b'["Resting"]\n{"Resting": {}, "a": 1}\n["Opening", {}]\n17\n',
]


@pytest.mark.parametrize("wait", [True, False], ids=["to completion", "in the background"])
@pytest.mark.parametrize("content", NO_CONTAINERS, ids=["page", "nothing", "deep", "lines"])
def test_a_page_that_greets_everybody_is_no_container(content, wait):
    with answering(200, content) as url:
        endpoint = Endpoint(HttpSettings(url, TOKEN, wait))
        answer = endpoint.invoke(INVITATION)
        endpoint.close()
    assert not answer.came
    assert isinstance(answer.refusal, PlatformUnavailable)


def test_a_proxy_that_takes_no_such_body_is_told_what_to_raise():
    with answering(413, b"<html>413 Request Entity Too Large</html>") as url:
        endpoint = Endpoint(HttpSettings(url, TOKEN))
        answer = endpoint.invoke(INVITATION)
        endpoint.close()
    assert "answered 413" in str(answer.refusal)
    assert "Raise the limit for the bodies of requests" in str(answer.refusal)
    assert "worker_container" not in str(answer.refusal)


def test_a_container_tells_at_last_that_it_rests():
    with answering(200, line_of(Resting())) as url:
        endpoint = Endpoint(HttpSettings(url, TOKEN))
        answer = endpoint.invoke(INVITATION)
        endpoint.close()
    assert (answer.came, answer.told, answer.refusal) == (True, [Resting()], None)


def test_a_compute_there_ends_with_what_was_answered(store_url):
    told = {"backend": "http", "token": TOKEN, "containers": 2, "store": store_url}
    with answering(200, NO_CONTAINERS[0]) as url, Serverless(url=url, **told) as client:
        with pytest.raises(PlatformUnavailable, match="answered 200 .*Welcome"):
            dask.compute(delayed(abs)(-1), scheduler=client)


FOR_EVER = [(202, "accepted"), (429, "no room"), (409, "busy"), (503, "no room")]


@pytest.mark.parametrize(("status", "content"), FOR_EVER)
def test_a_platform_that_answers_so_for_ever_is_waited_for_with_a_warning_and_an_end(
    store_url, status, content
):
    told = {"backend": "http", "token": TOKEN, "containers": 2, "store": store_url, "wait": False}
    with answering(status, content.encode()) as url:
        with Serverless(url=url, start_seconds=3.0, **told) as client:
            with (
                pytest.warns(UserWarning, match=f"{url} answered {status} .{content}.*until 3 s"),
                pytest.raises(
                    ContainersAbsent, match=f"{url} answered {status} .{content}"
                ) as error,
            ):
                dask.compute(delayed(abs)(-1), scheduler=client)
    assert "http.start_seconds" in str(error.value)
    assert TOKEN not in str(error.value)


def test_what_gateways_answer_in_the_place_of_containers_ends_a_run(store_url, monkeypatch):
    monkeypatch.setattr(asking, "PATIENCE_SECONDS", 0.2)
    told = {"backend": "http", "token": TOKEN, "containers": 2, "store": store_url}
    with answering(500, b"oops") as url, Serverless(url=url, **told) as client:
        with pytest.raises(ContainersNotStarting, match=f"{url} answered 500 .oops.") as error:
            dask.compute(delayed(abs)(-1), scheduler=client)
    assert "shell" not in str(error.value)


@pytest.mark.parametrize("status", [429, 503])
def test_a_platform_that_wants_a_rest_gets_it(status):
    asked, answers = [], threading.Semaphore(0)
    with answering(status, b"slowly", asked, Retry_After="2") as url:
        patient = Asking(Endpoint(HttpSettings(url, TOKEN)), 1, lambda *_: answers.release())
        patient.ask(INVITATION)
        while len(asked) < 2:
            answers.acquire(timeout=0.05)
        patient.drop("run")
        assert patient.settled(60)
        patient.platform.close()
    assert asked[1] - asked[0] >= 2


def test_no_rest_is_longer_than_the_setting_says():
    asked, answers = [], threading.Semaphore(0)
    with answering(429, b"slowly", asked, Retry_After="86400") as url:
        endpoint = Endpoint(HttpSettings(url, TOKEN))
        patient = Asking(endpoint, 1, lambda *_: answers.release(), most_rest_seconds=0.1)
        patient.ask(INVITATION)
        while len(asked) < 2:
            answers.acquire(timeout=0.05)
        endpoint.close()
        assert patient.settled(60)


@pytest.mark.parametrize(
    ("words", "least", "most"),
    [("7", 7, 7), (formatdate(time.time() + 86_400, usegmt=True), 1, 86_400), ("soon", 0, 0), ("", 0, 0),
     ("-3", 0, 0), (formatdate(0, usegmt=True), 0, 0), ("9" * 400, 0, float("inf"))],
)  # fmt: skip
def test_when_a_platform_wants_to_be_asked_again(words, least, most):
    assert least <= seconds_of(words) <= most


@pytest.mark.parametrize("url", ["https://host/path?code=secret", "https://host/#secret"])
def test_a_url_that_may_have_a_secret_is_refused_and_not_shown(url):
    with pytest.raises(SettingsError, match=r"http\.url has a query") as error:
        HttpSettings(url, TOKEN)
    assert "secret" not in str(error.value)


class Unforeseen:
    """A platform that raises, once."""

    def __init__(self):
        self.closed = threading.Event()
        self.asked = 0

    def invoke(self, invitation):
        self.asked += 1
        raise RecursionError("so deep an answer")

    def close(self): ...


def test_an_error_that_nobody_foresaw_is_told_and_others_are_asked_for_all_the_same():
    heard, told = threading.Semaphore(0), []

    def hear(invitation, answer):
        told.append(answer)
        heard.release()

    unforeseen = Asking(Unforeseen(), 1, hear)
    for _ in range(3):
        unforeseen.ask(INVITATION)
        assert heard.acquire(timeout=60)
        assert unforeseen.settled(60)
    assert [(answer.came, answer.reached) for answer in told] == [(False, False)] * 3
    assert "so deep an answer" in told[0].why
    assert unforeseen.under_way == Counter()


@pytest.mark.parametrize("known", [False, True], ids=["unknown", "known"])
def test_a_token_is_told_only_to_a_server_that_proves_who_it_is(tmp_path, monkeypatch, known):
    authority, asked = Authority(tmp_path / "authority"), []
    if known:
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
    with answering(202, b"{}", asked, authority) as url:
        answer = Endpoint(HttpSettings(url, TOKEN, wait=False)).invoke(INVITATION)
    assert answer.came is known
    assert bool(asked) is known
    assert known or "certificate verify failed" in answer.why
