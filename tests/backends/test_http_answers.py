"""What answers behind a URL in the place of containers, and what comes of that: one clear error."""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import dask
import pytest
from dask import delayed

from dask_serverless import Serverless
from dask_serverless.backends.asking import Asking
from dask_serverless.backends.http.endpoint import Endpoint
from dask_serverless.backends.http.settings import HttpSettings
from dask_serverless.backends.messages import Resting, line_of
from dask_serverless.errors import PlatformUnavailable
from dask_serverless.worker.invitation import Invitation

TOKEN = "t" * 16
INVITATION = Invitation("run", "epoch", "")


@contextmanager
def answering(status, content):
    """A server that answers every request in this way; its URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
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

    asking = Asking(Unforeseen(), 1, hear)
    for _ in range(3):
        asking.ask(INVITATION)
        assert heard.acquire(timeout=60)
        assert asking.settled(60)
    assert [(answer.came, answer.reached) for answer in told] == [(False, False)] * 3
    assert "so deep an answer" in told[0].why
    assert asking.under_way == Counter()
