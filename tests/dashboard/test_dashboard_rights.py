"""A dashboard that may only read, with the rights that docs/security.md names for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import dask
import pytest
from browsing import await_text, show
from dask import delayed
from documented_rights import as_user, denials, grant, more
from store_servers import Servers
from test_dashboard_process import Command

from dask_serverless import Serverless
from dask_serverless.errors import StoreCommandFailed, StoreDenied
from dask_serverless.store.connect import open_link

pytest.importorskip("bokeh")


def speak(n: int) -> int:
    print("part", n)
    return 1 // (n - 3)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with ExitStack() as stack:
        url = Servers(tmp_path_factory.mktemp("rights"), stack)()
        with open_link(url) as link:
            grant(link, "alice", "bob")
            for user in ("alice", "alice_containers"):
                link.call(("ACL", "SETUSER", user, *more("runs that dashboards show")))
        yield url


def test_all_pages_open_and_nothing_is_denied_but_a_history_without_rights_for_it(
    tab: Any, server: str
) -> None:
    with open_link(server) as link:
        link.call(("ACL", "LOG", "RESET"))
        with Command("--store", as_user(server, "alice_dashboard"), "--address", ":0") as command:
            base = command.stdout.readline().split()[1]
            show(tab, f"{base}runs")  # it has subscribed: clients hear of it
            with Serverless(
                store=as_user(server, "alice"), containers=2, inline_bytes=0, logs=len, history=True
            ) as client:
                tasks = [delayed(speak)(n) for n in range(3)]
                dask.compute(delayed(sum)(tasks), scheduler=client)
                good = client.last_run.run
                with pytest.raises(ZeroDivisionError):
                    dask.compute(delayed(speak)(3), scheduler=client)
                bad = client.last_run.run
            told = await_text(tab, "runs", bad)
            assert ">done<" in told and good.startswith("alice-")
            for path in ("graph", "stream", "plan", "progress", "containers", "data"):
                show(tab, f"{base}{path}?run={good}")
                assert ">done<" in await_text(tab, "heading", good)
            show(tab, f"{base}errors?run={bad}")
            await_text(tab, "errors", "ZeroDivisionError")
            show(tab, f"{base}logs?run={good}")
            await_text(tab, "logs", "part 1")
            show(tab, f"{base}history?run={good}")
            await_text(tab, "known", "hmget")  # the only page that says so
            link.call(
                (
                    "ACL",
                    "SETUSER",
                    "alice_dashboard",
                    *more("a dashboard that shows such a history"),
                )
            )
            show(tab, f"{base}history?run={good}")
            await_text(tab, "known", "speak")
            tab.goto("about:blank")
        refused = ("hmget", "zrange", "zrangebyscore")  # before it had the rights
        assert denials(link) == [("alice_dashboard", command) for command in refused]


@pytest.mark.parametrize(
    "command",
    [
        ("SET", "ds:{alice-1}:structure", "x"), ("HSET", "ds:{alice-1}:out", "1", "x"),
        ("XADD", "ds:watched", "*", "r", "x"), ("UNLINK", "ds:watched"), ("EXPIRE", "ds:watched", "1"),
        ("PUBLISH", "ds:watching:x", "y"), ("FLUSHALL",), ("CONFIG", "GET", "*"), ("KEYS", "*"),
        ("EVAL", "return redis.call('SET', KEYS[1], 1)", "1", "ds:watched"),
        ("GET", "ds:{bob-1}:structure"), ("GET", "ds:blob:alice-1/claim-0:0"),
        ("GET", "ds:own:alice-http:x"), ("SUBSCRIBE", "anything"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_its_user_can_neither_write_nor_read_what_is_not_shown(
    server: str, command: tuple[str, ...]
) -> None:
    with open_link(as_user(server, "alice_dashboard")) as link:
        with pytest.raises((StoreDenied, StoreCommandFailed), match="NOPERM|permission"):
            link.call(command)
