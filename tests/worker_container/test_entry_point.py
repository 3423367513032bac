"""The entry point of a container, run as a process: who may ask for what, and what comes of it."""

from __future__ import annotations

import base64
import importlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import replace
from http.client import HTTPConnection
from pathlib import Path

import dask
import pytest
from awaiting import eventually
from dask import delayed
from http_platform import healthy

from dask_serverless import Serverless
from dask_serverless.backends import sealed as sealing
from dask_serverless.backends.base import Loss
from dask_serverless.backends.docker.calls import Calls
from dask_serverless.backends.entry_point import Address, EntryPoint, EntryPointError, events_of
from dask_serverless.backends.messages import (
    Gone,
    Import,
    Invite,
    Others,
    Own,
    Peers,
    Resting,
    Stop,
    Trouble,
    Working,
)
from dask_serverless.backends.own_in_store import OwnInStore
from dask_serverless.backends.sealed import sealed
from dask_serverless.errors import SettingsError
from dask_serverless.signing.secret import Secret
from dask_serverless.store.connect import open_link
from dask_serverless.worker.invitation import Invitation

ROOT = Path(__file__).parents[2]
TOKEN = secrets.token_hex(16)
SECRET = Secret(TOKEN)  # as a container makes it that was given none


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def container(**settings):
    told = {"token": TOKEN, "host": "127.0.0.1", "port": free_port(), **settings}
    environment = {f"WORKER_{name.upper()}": str(value) for name, value in told.items()}
    process = subprocess.Popen(
        [sys.executable, "-m", "worker_container"], cwd=ROOT, env={**os.environ, **environment}
    )
    point = EntryPoint(Address(told["host"], told["port"], TOKEN))
    try:
        eventually(lambda: healthy(point))
        yield process, point
    finally:
        point.close()
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


class OneContainer:
    """A backend of one container that is there already."""

    containers = 1
    same_host = False
    answer_seconds = 2.0
    secret = SECRET

    def __init__(self, point, store_url):
        self.point = point
        self.link = open_link(store_url)
        self.own = OwnInStore("test", self.secret)
        self.invited, self.heard, self.watched = [], [], {}
        self.events = events_of(point.address)
        threading.Thread(target=self.listen, daemon=True).start()

    def start(self): ...

    def invoke(self, invitation, count=1):
        invitation = replace(invitation, own=self.own.put(self.link))
        self.invited.append(invitation)
        with suppress(EntryPointError):  # it is gone
            self.point.invoke(invitation)

    def watch(self, run, gone):
        self.watched[run] = gone

    def stop(self, run, settled):
        self.point.tell([Stop(run)])
        settled()

    def forget(self, run):
        self.watched.pop(run, None)

    def close(self):
        self.events.close()
        self.own.remove(self.link)
        self.link.close()

    def listen(self):
        for message in self.events:
            self.heard.append(message)
            if isinstance(message, Gone):
                loss = Loss(message.container, message.why, message.claimed, message.words)
                for gone in list(self.watched.values()):
                    gone(loss)


@pytest.fixture(scope="module")
def point():
    with container() as (_, point):
        yield point


@pytest.fixture
def client(point, store_url):
    with Serverless(backend=OneContainer(point, store_url), store=store_url) as client:
        yield client


def heard(client, kind):
    return [message for message in client.settings.backend.heard if isinstance(message, kind)]


def test_a_graph_runs_on_a_container_that_is_invited_over_http(client):
    total = delayed(sum)([delayed(pow)(n, 2) for n in range(20)])
    assert dask.compute(total, scheduler=client) == (2470,)
    eventually(lambda: heard(client, Resting))
    assert [each.run for each in heard(client, Working)] == [client.last_run.run]


def test_a_task_runs_in_the_containers_process_and_not_in_ours(client):
    (pid,) = dask.compute(delayed(os.getpid)(), scheduler=client)
    assert pid != os.getpid()


def crash():
    os.kill(os.getpid(), signal.SIGSEGV)


def test_a_crash_of_user_code_leaves_the_container_and_fails_with_its_reason(client):
    from dask_serverless.errors import BundleLost

    with pytest.raises(BundleLost, match="SIGSEGV"):
        dask.compute(delayed(crash)(), scheduler=client)
    assert dask.compute(delayed(sum)([1, 2]), scheduler=client) == (3,)


def asked(address, method, path, body=None, headers=()):
    connection = HTTPConnection(address.host, address.port, timeout=5)
    connection.request(method, path, body, dict(headers))
    response = connection.getresponse()
    return response.status, json.loads(response.read())


WRONG = [{}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {TOKEN}"}]


@pytest.mark.parametrize("headers", WRONG, ids=["none", "wrong", "other scheme"])
@pytest.mark.parametrize("path", ["/invoke", "/tell", "/none"])
def test_who_does_not_know_the_token_is_refused_before_the_body_is_read(point, headers, path):
    sent = {**headers, "Content-Length": str(1 << 40)}  # it would wait for this
    status, answer = asked(point.address, "POST", path, None, sent.items())
    assert status == 401
    assert TOKEN not in json.dumps(answer)


def test_who_knows_no_token_hears_of_a_containers_state_alone(point):
    status, told = asked(point.address, "GET", "/health")
    assert (status, set(told)) == (200, {"state"})


def test_news_are_for_those_who_know_the_token(point):
    with pytest.raises(EntryPointError, match="401"):
        events_of(Address(point.address.host, point.address.port, "wrong"))


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"no json", 400),
        (b"[]", 400),
        (b"{}", 412),
        (b'{"invitation": {"run": "r", "epoch": "e", "store": "s"}}', 412),
        (b'{"invitation": "AAAA"}', 412),
    ],
)
def test_a_body_that_is_no_invitation_is_refused(point, body, status):
    headers = point.address.authorization.items()
    assert asked(point.address, "POST", "/invoke", body, headers)[0] == status
    assert healthy(point)


def test_a_body_that_is_too_large_is_refused_before_it_is_read(point):
    headers = {**point.address.authorization, "Content-Length": str((1 << 20) + 1)}
    assert asked(point.address, "POST", "/invoke", None, headers.items())[0] == 413


def test_an_invitation_that_somebody_kept_is_refused(point, monkeypatch):
    now = time.time()
    monkeypatch.setattr(sealing.time, "time", lambda: now - 2 * sealing.LIFE_SECONDS)
    body = json.dumps({"invitation": sealed(Invitation("run", "epoch", "redis://x"), SECRET)})
    monkeypatch.undo()
    headers = point.address.authorization.items()
    status, answer = asked(point.address, "POST", "/invoke", body.encode(), headers)
    assert (status, answer["error"].startswith("Refused: an invitation is 1200 s old")) == (
        412,
        True,
    )
    assert asked(point.address, "GET", "/health")[1]["state"] == "resting"


def test_a_client_with_another_secret_is_told_at_once(point, store_url):
    url = f"http://{point.address.host}:{point.address.port}"
    settings = {"url": url, "token": TOKEN, "secret": "another secret of the client's"}
    with Serverless(backend="http", containers=1, store=store_url, **settings) as client:
        with pytest.raises(SettingsError, match="secret is not that of the containers") as caught:
            dask.compute(delayed(sum)([1]), scheduler=client)
    assert "another secret of" not in str(caught.value)
    assert str(caught.value).endswith("both sides make one of the token.")
    assert "WORKER_SECRET" in str(caught.value) and "{" not in str(caught.value)


def test_code_is_not_told_but_comes_signed(point, client):
    """Whoever has read the token on its way does not have the secret."""
    source = ["/tmp/evil.py", False, False, base64.b64encode(b"1 / 0").decode()]
    point.tell([Own({"evil": source}, ["evil"]), Import(["evil"])])
    assert dask.compute(delayed(imported)("evil"), scheduler=client) == ("ModuleNotFoundError",)


def imported(name):
    try:
        importlib.import_module(name)
    except Exception as error:
        return type(error).__name__


def test_an_unreachable_store_is_told_and_the_container_is_free_again(point):
    lines = events_of(point.address)
    assert point.invoke(Invitation("run", "epoch", "unix:///none/such"))
    told = []
    for message in lines:
        told.append(message)
        if isinstance(message, Resting):
            break
    assert "/none/such" in next(m.why for m in told if isinstance(m, Trouble))
    lines.close()


def test_a_busy_container_takes_no_second_invitation(client, point):
    started = threading.Event()
    task = delayed(time.sleep)(1.0)
    thread = threading.Thread(target=dask.compute, args=(task,), kwargs={"scheduler": client})
    thread.start()
    eventually(lambda: heard(client, Working))
    assert not point.invoke(client.settings.backend.invited[-1])
    thread.join()
    started.set()


def test_waiting_for_the_end_of_the_work_brings_what_was_told(point, store_url):
    told = eventually(lambda: point.work(Invitation("none", "such", store_url)))
    assert isinstance(told[-1], Resting)
    assert isinstance(told[0], Working)


def sleep_and_add(total, number):
    time.sleep(0.3)
    return total + number


def finish_slowly(path):
    Path(path).write_text("begun")
    time.sleep(1)
    return "done"


def test_a_container_that_its_platform_ends_finishes_its_bundle_first(tmp_path, store_url):
    with container() as (process, point):
        with Serverless(backend=OneContainer(point, store_url), store=store_url) as client:
            answers = []
            task = delayed(finish_slowly)(tmp_path / "note")
            thread = threading.Thread(
                target=lambda: answers.extend(dask.compute(task, scheduler=client))
            )
            thread.start()
            eventually((tmp_path / "note").exists)
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
            thread.join(20)
            assert answers == ["done"]


def test_what_its_grace_does_not_suffice_for_goes_back_to_the_store_at_once(tmp_path, store_url):
    with container(grace_seconds=0.1) as (process, point), container() as (_, other):
        with Serverless(backend=OneContainer(point, store_url), store=store_url) as client:
            answers = []
            task = delayed(finish_slowly)(tmp_path / "note")
            thread = threading.Thread(
                target=lambda: answers.extend(dask.compute(task, scheduler=client))
            )
            thread.start()
            eventually((tmp_path / "note").exists)
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
            begun = time.monotonic()
            assert other.invoke(client.settings.backend.invited[0])
            thread.join(20)
            assert answers == ["done"]
            assert time.monotonic() - begun < client.settings.lease_seconds / 2


def test_a_container_whose_turn_others_wait_for_leaves_after_its_bundle(client, point):
    tasks = [delayed(time.sleep)(0.3) for _ in range(6)]
    thread = threading.Thread(target=dask.compute, args=tasks, kwargs={"scheduler": client})
    thread.start()
    eventually(lambda: heard(client, Working))
    point.tell([Others(True)])
    eventually(lambda: len(heard(client, Working)) > 1)  # it left, and was invited again
    assert heard(client, Invite), "whoever owns it knows better whom to send"
    thread.join(30)


def test_containers_invite_one_another_without_whoever_owns_them(store_url):
    port = free_port()
    first = container(host="127.0.0.1", port=port, name="first")
    second = container(host="127.0.0.2", port=port, name="second")
    with first as (_, point), second as (_, other):
        places = {"first": ("127.0.0.1", 0), "second": ("127.0.0.2", 0)}
        point.tell([Peers(places)])
        backend = OneContainer(point, store_url)
        lines = events_of(other.address)
        with Serverless(backend=backend, store=store_url) as client:
            backend.containers = 2
            root = delayed(sum)([1])
            after = [delayed(sleep_and_add)(root, n) for n in range(4)]
            assert dask.compute(after, scheduler=client) == ([1, 2, 3, 4],)
            working, *_ = lines.receive()
            assert isinstance(working, Working)
            assert working.container.startswith("second")
            assert not heard(client, Invite), "nobody else was needed"
        lines.close()


def test_a_token_that_anybody_could_guess_is_refused():
    told = subprocess.run(
        [sys.executable, "-m", "worker_container"],
        cwd=ROOT,
        env={**os.environ, "WORKER_TOKEN": "short"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert told.returncode != 0
    assert "WORKER_TOKEN" in told.stderr
    assert "Traceback" not in told.stderr


def test_a_container_that_is_ended_while_its_owner_lives_says_nothing():
    """Python's own end wants standard input, which a thread of ours still read from."""
    told = {"token": TOKEN, "name": "owned", "host": "127.0.0.1", "port": free_port()}
    process = subprocess.Popen(
        [sys.executable, "-m", "worker_container"], cwd=ROOT, env={**os.environ, "WORKER_OWNED": "1"},
        stdin=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    process.stdin.write(json.dumps(told).encode() + b"\n")
    process.stdin.flush()
    point = EntryPoint(Address(told["host"], told["port"], TOKEN))
    eventually(lambda: healthy(point))
    point.close()
    process.send_signal(signal.SIGTERM)
    said = process.stderr.read()
    assert (process.wait(20), said) == (0, b"")
    process.stdin.close()


@contextmanager
def calling(address):
    """What was answered, as it comes."""
    answers = []
    calls = Calls(address)
    try:
        yield calls, answers, lambda came, why: answers.append((came, why))
    finally:
        calls.close()


def to_nobody(store_url):
    return Invitation(secrets.token_hex(8), "epoch", store_url, early=True)


def test_whoever_calls_goes_on_at_once_and_hears_of_the_answer_later(store_url):
    with container() as (process, point), calling(point.address) as (calls, answers, answered):
        process.send_signal(signal.SIGSTOP)
        try:
            calls.invoke(to_nobody(store_url), [], answered)
            calls.invoke(to_nobody(store_url), [], answered)
            assert answers == []
        finally:
            process.send_signal(signal.SIGCONT)
        eventually(lambda: len(answers) == 2)
        assert answers == [(True, ""), (False, "")], "the second found it at work"


def test_a_call_after_the_connection_has_ended_goes_over_another_one(store_url):
    with container() as (_, point), calling(point.address) as (calls, answers, answered):
        calls.tell([Others(False)])
        calls.stream.shutdown(socket.SHUT_RDWR)  # as it is after a long silence
        calls.invoke(to_nobody(store_url), [], answered)
        assert eventually(lambda: answers) == [(True, "")]


def test_a_call_that_is_not_taken_is_told_with_the_reason(point):
    address = replace(point.address, secret=Secret("another" * 4))
    with calling(address) as (calls, answers, answered):
        calls.invoke(to_nobody("redis://nowhere"), [], answered)
        ((came, why),) = eventually(lambda: answers)
        assert (came, "412" in why) == (False, True)


def test_a_call_of_a_container_that_is_gone_is_told_at_once(store_url):
    with calling(Address("127.0.0.1", free_port(), TOKEN)) as (calls, answers, answered):
        calls.invoke(to_nobody(store_url), [], answered)
        ((came, why),) = answers
        assert not came and "refused" in why


def test_a_container_that_dies_before_it_answers_is_told():
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = Address("127.0.0.1", server.getsockname()[1], TOKEN)
        with calling(address) as (calls, answers, answered):
            calls.invoke(to_nobody("redis://nowhere"), [], answered)
            for _ in range(2):
                connection, _ = server.accept()
                assert connection.recv(1 << 16)
                connection.close()
            ((came, why),) = eventually(lambda: answers)
            assert not came and "closed the connection" in why


def test_a_request_comes_in_one_packet(store_url):
    """In two, the second one comes a millisecond late, since whoever reads has been woken between."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = Address("127.0.0.1", server.getsockname()[1], TOKEN)
        point = EntryPoint(address)
        invite = threading.Thread(target=point.invoke, args=[to_nobody(store_url)])
        invite.start()
        connection, _ = server.accept()
        with connection:
            head, _, body = connection.recv(1 << 16).partition(b"\r\n\r\n")
            assert b"POST /invoke" in head and body.endswith(b"}")
            connection.sendall(b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\n{}")
            invite.join(10)
        point.close()
