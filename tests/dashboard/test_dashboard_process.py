"""The dashboard is a process of its own: it ends with its owner, whatever that one dies of."""

from __future__ import annotations

import logging
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from awaiting import eventually
from clients import ROOT, Client

from dask_serverless import Serverless
from dask_serverless.dashboard.access import Address
from dask_serverless.dashboard.logs import worth_telling
from dask_serverless.errors import DashboardUnavailable, PackageMissing, SettingsError
from dask_serverless.store.embedded import EmbeddedStore

pytest.importorskip("bokeh")

SCRIPT = """
s = Serverless(containers=1, dashboard=True)
tell(s.dashboard_link)
tell(delayed(sum)([1, 2]).compute(scheduler=s))
sys.stdin.readline()
s.close()
tell("closed")
sys.stdin.readline()
"""


def healthy(link: str) -> bool:
    try:
        with urllib.request.urlopen(link + "health", timeout=60) as answer:
            return answer.read() == b"ok"
    except OSError:
        return False


def test_it_ends_when_it_is_closed(tmp_path: Path) -> None:
    with Client(tmp_path, SCRIPT) as client:
        assert client.hear().startswith("Dashboard: ")
        link = client.hear()
        assert client.hear() == "3"
        assert healthy(link)
        client.say()
        assert client.hear() == "closed"
        assert client.left().keys() == {client.process.pid}


def test_it_ends_when_its_owner_is_killed(tmp_path: Path) -> None:
    with Client(tmp_path, SCRIPT) as client:
        client.hear()
        link = client.hear()
        assert client.hear() == "3"
        assert healthy(link)
        client.kill()
        eventually(lambda: not client.left())


def test_nothing_that_strangers_ask_for_is_logged_and_the_token_never(capfd: Any) -> None:
    from dask_serverless.dashboard.access import Address
    from dask_serverless.dashboard.process import DashboardProcess

    dashboard = DashboardProcess(Address("0.0.0.0", 0))
    try:
        token, port = dashboard.access.token, dashboard.access.port
        for path in (f"no-page?token={token}", "graph?token=guessed", "static/../x"):
            with pytest.raises(OSError, match="HTTP Error 40"):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=60)
    finally:
        dashboard.close()
    assert capfd.readouterr().err == ""


def test_of_an_error_of_its_own_the_token_is_left_out() -> None:
    from dask_serverless.dashboard.logs import Without

    told = (
        "tornado.application",
        40,
        "here",
        1,
        "Uncaught exception GET /graph?token=%s",
        ("abc",),
    )
    assert "abc" not in Without("abc").format(logging.LogRecord(*told, None))


def test_a_page_that_is_closed_while_it_still_sends_is_no_error_of_ours() -> None:
    connection = pytest.importorskip("bokeh.server.connection")
    closed = connection.ServerConnection.__new__(connection.ServerConnection)
    closed._session = None  # as it is once the browser has gone
    assert not worth_telling(record_of(lambda: closed.session))
    assert worth_telling(record_of(lambda: int("no number")))
    assert worth_telling(record_of(lambda: exec("assert False")))


def record_of(failing: Callable[[], Any]) -> logging.LogRecord:
    try:
        failing()
    except (AssertionError, ValueError):
        return logging.LogRecord("bokeh", logging.ERROR, "", 0, "", (), sys.exc_info())
    pytest.fail("does not raise")


def test_ctrl_c_in_the_terminal_is_for_the_client(tmp_path: Path) -> None:
    source = "signal.signal(signal.SIGINT, lambda *_: tell('interrupted'))\n" + SCRIPT
    with Client(tmp_path, source) as client:
        client.hear()
        link = client.hear()
        client.hear()
        assert healthy(link)
        (pid,) = [p for p, line in client.left().items() if "dask_serverless.dashboard" in line]
        os.kill(pid, signal.SIGINT)
        client.interrupt()
        assert client.hear() == "interrupted"
        assert healthy(link)


def test_a_port_in_use_is_an_error_that_names_the_setting() -> None:
    client = Serverless(containers=1, dashboard=True)
    try:
        port = int(re.search(r":(\d+)/", client.dashboard_link)[1])
        with pytest.raises(DashboardUnavailable, match=rf"{port}.*Serverless\(dashboard="):
            Serverless(containers=1, dashboard=port)
    finally:
        client.close()


def test_without_a_dashboard_there_is_no_link(serverless: Serverless) -> None:
    with pytest.raises(SettingsError, match=r"Serverless\(dashboard=True\)"):
        serverless.dashboard_link  # noqa: B018


def test_without_bokeh_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dask_serverless.dashboard.process.find_spec", lambda name: None)
    with pytest.raises(PackageMissing, match=r"dask-serverless\[dashboard\]"):
        Serverless(containers=1, dashboard=True)


class Command:
    """``dask serverless dashboard`` as people run it."""

    def __init__(self, *words: str) -> None:
        code = "from dask_serverless.command.cli import serverless; serverless()"
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, "dashboard", *words],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
        )  # fmt: skip

    def __enter__(self) -> subprocess.Popen[str]:
        return self.process

    def __exit__(self, *exception: object) -> None:
        self.process.kill()
        self.process.communicate()


def test_the_command_shows_runs_of_others_who_need_no_setting() -> None:
    with EmbeddedStore() as store:
        url = store.wait_ready()
        with Command("--store", url, "--address", ":0") as command:
            link = command.stdout.readline().split()[1]
            assert healthy(link)
            client = Serverless(containers=1, store=url)
            try:
                eventually(lambda: in_metrics(client, link))
            finally:
                client.close()
            command.send_signal(signal.SIGINT)
            assert command.wait(20) == 130


def test_the_command_heeds_the_settings_of_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DASK_SERVERLESS__ALLOW_ORIGIN", "hub.example.org:443")
    monkeypatch.setenv("DASK_SERVERLESS__DASHBOARD_LINK", "/proxy/{port}/")
    with EmbeddedStore() as store:
        with Command("--store", store.wait_ready(), "--address", ":0") as command:
            link = command.stdout.readline().split()[1]
            (port,) = re.findall(r"^/proxy/(\d+)/$", link)
            asked = urllib.request.Request(
                f"http://127.0.0.1:{port}/individual-plots.json",
                headers={"Host": "hub.example.org"},
            )
            with urllib.request.urlopen(asked, timeout=60) as answer:
                assert answer.status == 200


def in_metrics(client: Serverless, link: str) -> bool:
    """Whether the command has heard of a run of this client's."""
    from dask import delayed

    client._ready().audience.looked = -1e9  # as if the last look for dashboards were long ago
    delayed(sum)([1, 2]).compute(scheduler=client)
    with urllib.request.urlopen(link + "metrics", timeout=20) as answer:
        return "dask_serverless_runs 0.0" not in answer.read().decode()


def test_a_port_in_use_is_told_of_in_the_words_of_the_command(store_url: str) -> None:
    """It named the setting of Serverless, which nobody had used."""
    with Address.at(":0").listen() as taken:
        port = str(taken.getsockname()[1])
        with Command("--store", store_url, "--port", port) as command:
            _, errors = command.communicate(timeout=60)
    assert port in errors and "--address :0" in errors
    assert "Serverless(" not in errors and "Traceback" not in errors


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "Serverless(dashboard=True)"),
        (("--store", "redis://localhost:1"), "No store answers"),
        (("--address", "nonsense"), 'must be a port or an address like "127.0.0.1:8787"'),
        (("--allow-origin", "*"), "example.org:443"),
    ],
)
def test_the_command_says_what_to_do(words: tuple[str, ...], told: str, store_url: str) -> None:
    if words and words[0] != "--store":
        words = ("--store", store_url, *words)
    with Command(*words) as command:
        _, errors = command.communicate(timeout=60)
        assert command.returncode in (1, 2)
        assert told in errors and "Traceback" not in errors
