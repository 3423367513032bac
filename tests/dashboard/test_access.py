"""Who may look: loopback by default, a token for anything else, exact origins, nothing to write."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from copy import deepcopy
from http.client import HTTPConnection
from typing import Any

import dask
import pytest

from dask_serverless import Serverless
from dask_serverless.config import Settings
from dask_serverless.dashboard.access import Access, Address
from dask_serverless.errors import DashboardUnavailable, SettingsError

TOKEN = "sesame-open"


@pytest.mark.parametrize(
    ("value", "host", "port"),
    [
        (True, "127.0.0.1", 0),
        (8800, "127.0.0.1", 8800),
        (":8800", "127.0.0.1", 8800),
        ("8800", "127.0.0.1", 8800),
        ("0.0.0.0:0", "0.0.0.0", 0),
        ("[::1]:8800", "::1", 8800),
        ("localhost:1", "localhost", 1),
    ],
)
def test_an_address_is_understood(value: Any, host: str, port: int) -> None:
    address = Address.parse(value)
    assert (address.host, address.port) == (host, port)
    assert address.loopback == (host != "0.0.0.0")


@pytest.mark.parametrize("value", ["here", "host:port", -1, 70000, ["x"], "host:", 1.5, False])
def test_what_is_no_address_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="^must be true, false, a port or .*127.0.0.1:8787"):
        Address.parse(value)
    with pytest.raises(ValueError, match="^must be a port or .*127.0.0.1:8787"):  # the command's
        Address.at(value)


def test_a_port_in_use_is_an_error_if_it_was_asked_for_and_else_passed_over() -> None:
    with Address.parse(True).listen() as first:
        port = first.getsockname()[1]
        with pytest.raises(DashboardUnavailable, match=str(port)):
            Address.parse(port).listen()
        with Address.parse(True).listen() as second:
            assert second.getsockname()[1] != port


def test_an_unknown_host_is_an_error_that_names_it() -> None:
    with pytest.raises(DashboardUnavailable, match="no.such.host.invalid"):
        Address.parse("no.such.host.invalid:8787").listen()


def test_anything_but_loopback_needs_a_token() -> None:
    assert Access.to(Address.parse(True), 8787).token == ""
    access = Access.to(Address.parse("0.0.0.0:8787"), 8787)
    assert len(access.token) > 20 and access.token in access.link
    assert access.token not in repr(access)
    assert not access.admits("") and not access.admits("x") and access.admits(access.token)


@pytest.mark.parametrize(
    "origin",
    ["*", "*:8787", "example.org", "https://*", "ftp://example.org", "https://example.org/lab", ":80",
     "", 8787, [8787], True],
)  # fmt: skip
def test_origins_are_exact(origin: Any) -> None:
    with pytest.raises(SettingsError, match=r"Serverless\(allow_origin=...\).*example.org:443"):
        Settings.gather(allow_origin=origin)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (None, ()),
        ("Example.org:443", ("example.org:443",)),
        ("https://example.org", ("example.org:443",)),  # as browsers have it in their line
        ("http://example.org/", ("example.org:80",)),
        ("http://localhost:8888, [::1]:8888", ("localhost:8888", "[::1]:8888")),
        (["https://example.org:8443"], ("example.org:8443",)),
    ],
)
def test_origins_are_told_as_one_text_or_several(told: Any, expected: Any) -> None:
    assert Settings.gather(allow_origin=told).allow_origin == expected


def test_the_link_is_what_a_proxy_makes_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTERHUB_USER", "alice")
    template = Settings.gather(dashboard_link="/user/{JUPYTERHUB_USER}/proxy/{port}").dashboard_link
    assert Access.to(Address(), 8787, template=template).link == "/user/alice/proxy/8787/"
    assert Access.to(Address(), 8787).link == "http://127.0.0.1:8787/"
    given = Access.to(Address(), 8787, TOKEN, template="https://hub/{host}/{port}/").link
    assert given == f"https://hub/127.0.0.1/8787/?token={TOKEN}"


@pytest.mark.parametrize("template", ["", "/{", "/{}", "/{NOBODY_HAS_SET_THIS}", "/{port.real}", 3])
def test_a_link_that_asks_for_what_nobody_knows_is_refused(template: Any) -> None:
    with pytest.raises(SettingsError, match=r"Serverless\(dashboard_link=...\).*environment"):
        Settings.gather(dashboard_link=template)


@pytest.mark.parametrize("name", ["dashboard", "allow_origin", "dashboard_link"])
def test_a_view_has_no_dashboard_of_its_own(name: str) -> None:
    with pytest.raises(SettingsError, match="another dashboard: make another Serverless"):
        Settings.options(**{name: None})


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        ("http://127.0.0.1:8787", True),
        ("http://[::1]:8787", True),
        ("https://example.org", True),  # browsers leave out the usual port
        ("http://example.org", False),
        ("https://example.org:8443", False),
        ("https://other.example.org", False),
        ("null", False),
        ("", False),
    ],
)
def test_an_origin_is_expected_with_its_scheme_and_port(origin: str, expected: bool) -> None:
    access = Access.to(Address.parse(True), 8787, origins=("example.org:443",))
    assert access.expects(origin) == expected


def test_a_host_name_without_its_usual_port_is_known_behind_a_proxy() -> None:
    access = Access.to(Address.parse(True), 8787, origins=("example.org:443",))
    assert access.knows("Example.org") and access.knows("127.0.0.1:8787")
    assert not access.knows("127.0.0.1") and not access.knows("example.com")


def test_dashboards_on_one_host_do_not_take_each_others_cookie() -> None:
    one, other = (Access.to(Address("0.0.0.0"), port) for port in (8787, 8788))
    assert one.cookie != other.cookie


@pytest.fixture(scope="module")
def served() -> Iterator[int]:
    """The port of a server that wants a token."""
    pytest.importorskip("bokeh")
    import threading

    from tornado.ioloop import IOLoop

    from dask_serverless.dashboard.reader import Reader
    from dask_serverless.dashboard.server import make_server

    listening = Address.parse(True).listen()
    port = listening.getsockname()[1]
    up, loops = threading.Event(), []

    def serve() -> None:
        import asyncio

        asyncio.set_event_loop(asyncio.new_event_loop())
        loop = IOLoop.current()
        loops.append(loop)
        access = Access.to(Address("127.0.0.1", port), port, TOKEN)
        server = make_server(listening, access, Reader(), loop)
        server.start()
        loop.add_callback(up.set)
        loop.start()
        server.stop(wait=False)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    assert up.wait(30)
    yield port
    loops[0].add_callback(loops[0].stop)
    thread.join(10)


def ask(port: int, path: str, method: str = "GET", **headers: str) -> tuple[int, str, str]:
    connection = HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(), answer.getheader("Set-Cookie") or ""
    finally:
        connection.close()


@pytest.mark.parametrize("path", ["/metrics", "/individual-plots.json", "/", "/graph?token=wrong"])
def test_without_the_token_nothing_is_told(served: int, path: str) -> None:
    status, body, cookie = ask(served, path)
    assert status == 401
    assert not cookie and "bokeh" not in body.lower() and "dask_serverless_" not in body


def test_the_link_lets_in_and_from_then_on_a_cookie_does(served: int) -> None:
    status, body, cookie = ask(served, f"/graph?token={TOKEN}")
    assert status == 200 and "bokeh" in body.lower()
    assert "HttpOnly" in cookie
    status, _, _ = ask(served, "/individual-plots.json", Cookie=cookie.split(";")[0])
    assert status == 200


def test_anybody_may_ask_whether_it_is_well(served: int) -> None:
    assert ask(served, "/health")[:2] == (200, "ok")


@pytest.mark.parametrize("path", ["/metrics", "/graph"])
def test_a_host_name_that_is_not_ours_is_refused(served: int, path: str) -> None:
    status, _, _ = ask(served, f"{path}?token={TOKEN}", Host="evil.example:80")
    assert status == 403


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1"])
def test_a_page_of_another_origin_cannot_connect(served: int, origin: str) -> None:
    status = handshake(served, origin, TOKEN)
    assert status == 403


def test_a_connection_needs_the_token_too(served: int) -> None:
    assert handshake(served, f"http://127.0.0.1:{served}", "wrong") == 401
    assert handshake(served, f"http://127.0.0.1:{served}", TOKEN) == 101


def handshake(port: int, origin: str, token: str, host: str = "") -> int:
    """Of a web socket: the status with which it is answered."""
    lines = [
        f"GET /graph/ws?token={token} HTTP/1.1",
        f"Host: {host or f'127.0.0.1:{port}'}",
        f"Origin: {origin}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Protocol: bokeh, x",
    ]
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        return int(connection.recv(100).split()[1])


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_there_is_nothing_to_write(served: int, method: str) -> None:
    for path in ("/metrics", "/graph", "/health"):
        assert ask(served, f"{path}?token={TOKEN}", method)[0] in (403, 405)


def test_pages_are_found_below_any_path(served: int) -> None:
    """A proxy has them below one of its own: what they ask for from "/" would be somebody else's."""
    connection = HTTPConnection("127.0.0.1", served, timeout=20)
    connection.request("GET", f"/?token={TOKEN}&run=abc")
    answer = connection.getresponse()
    assert answer.status == 302
    assert answer.getheader("Location") == f"graph?run=abc&token={TOKEN}"
    connection.close()
    _, page, _ = ask(served, f"/graph?token={TOKEN}")
    asked = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert any(each.startswith("./static/js/bokeh") for each in asked)
    assert not [each for each in asked if each.startswith(("/", "http"))]


def test_a_client_names_the_pages_that_may_connect() -> None:
    pytest.importorskip("bokeh")
    with Serverless(containers=1, dashboard=True, allow_origin="https://hub.example.org") as client:
        port = int(client.dashboard_link.rsplit(":", 1)[1].rstrip("/"))
        assert handshake(port, "https://hub.example.org", "") == 101
        assert handshake(port, "https://hub.example.org", "", host="hub.example.org") == 101
        assert handshake(port, "https://other.example.org", "") == 403
        assert handshake(port, "https://hub.example.org", "", host="other.example.org") == 403


def test_the_environment_names_them_for_everybody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DASK_SERVERLESS__ALLOW_ORIGIN", "hub.example.org:443")
    monkeypatch.setenv("DASK_SERVERLESS__DASHBOARD_LINK", "/proxy/{port}/")
    before = deepcopy(dask.config.config)
    dask.config.refresh()
    try:
        settings = Settings.gather()
        assert settings.allow_origin == ("hub.example.org:443",)
        assert settings.dashboard_link == "/proxy/{port}/"
    finally:  # not by another refresh, which would forget what libraries have set meanwhile
        dask.config.config.clear()
        dask.config.config.update(before)
