"""Runs that take longer than what they have in the store would live by itself."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import dask
import pytest
from awaiting import eventually
from dask import delayed
from store_servers import Servers

from dask_serverless import Serverless
from dask_serverless.backends.base import keep_modules
from dask_serverless.blobs.base import LIVE_SECONDS
from dask_serverless.blobs.redis import RedisBlobs
from dask_serverless.client import lookout
from dask_serverless.client.watch import NOBODY
from dask_serverless.coordination import watched
from dask_serverless.dashboard.following import Following
from dask_serverless.progress.display import ProgressWatch
from dask_serverless.store.connect import open_link
from dask_serverless.store.link import Link

DAY = 24 * 3600
SHORT = 30


def until_there(begun: str, end: str) -> None:
    Path(begun).touch()
    while not Path(end).exists():
        time.sleep(0.01)


@contextmanager
def under_way(client: Serverless, folder: Path) -> Iterator[None]:
    """A run that goes on meanwhile; a container works on it."""
    begun, end = folder / "begun", folder / "end"
    task = delayed(until_there)(str(begun), str(end))
    run = threading.Thread(target=dask.compute, args=(task,), kwargs={"scheduler": client})
    run.start()
    try:
        eventually(begun.exists)
        yield
    finally:
        end.touch()
        run.join()


def lives(link: Link, pattern: str) -> dict[str, int]:
    """Key → the seconds that it has to live."""
    found = link.call(("KEYS", pattern))[0]
    return dict(
        zip(map(bytes.decode, found), link.call(*[("TTL", key) for key in found]), strict=True)
    )


def test_a_machine_that_sleeps_over_night_finds_its_run_again(tmp_path: Path) -> None:
    with Serverless(containers=1) as client, under_way(client, tmp_path):
        with open_link(client._ready().url) as link:
            run = {key: left for key, left in lives(link, "ds:{*").items() if "watched" not in key}
    assert len(run) > 10 and min(run.values()) > DAY, run


def test_in_a_store_that_others_use_what_a_client_leaves_goes_soon(
    tmp_path: Path, start_server: Servers
) -> None:
    url = start_server()
    with Serverless(containers=1, store=url) as client, under_way(client, tmp_path):
        with open_link(url) as link:
            assert 0 < max(lives(link, "ds:{*").values()) <= LIVE_SECONDS


def test_what_containers_to_come_import_and_what_watchers_see_is_kept_while_a_run_goes_on(
    tmp_path: Path, start_server: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookout, "KEEP_SECONDS", 0.2)
    url = start_server()
    with (
        ThreadPoolExecutor(1) as executor,
        Serverless(backend=executor, store=url) as client,
        client.report(str(tmp_path / "report.html")),
        under_way(client, tmp_path),
        open_link(url) as link,
    ):
        kept = [*lives(link, "ds:own:*"), *lives(link, "ds:{*:watched")]
        assert len(kept) == 2
        link.call(*[("EXPIRE", key, SHORT) for key in kept])
        eventually(lambda: min(link.call(*[("TTL", key) for key in kept])) > SHORT)
        link.call(("DEL", kept[0]))  # as if it had been asleep
        eventually(lambda: link.call(("EXISTS", kept[0]))[0])


def test_progress_keeps_what_it_shows() -> None:
    progress = ProgressWatch(NOBODY, None, None)  # type: ignore[arg-type]
    assert progress.keep() == []
    progress.following = Following("abc", None)  # type: ignore[arg-type]
    assert progress.keep() == [("EXPIRE", watched.watched_key("abc"), LIVE_SECONDS)]


def test_what_is_written_in_vain_goes_soon_and_what_is_looked_after_lives_as_long_as_its_run(
    link: Link,
) -> None:
    blobs = RedisBlobs(link, live_seconds=DAY)
    in_vain, announced = (blobs.put(name, [b"data"]) for name in ("in-vain-0", "announced-0"))
    link.call(*in_vain.commands, *announced.commands)
    blobs.keep([announced.reference])
    left = lives(link, "ds:blob:*")
    assert left["ds:blob:in-vain-0:0"] <= LIVE_SECONDS < left["ds:blob:announced-0:0"]


def test_modules_are_kept_where_the_run_is_and_nowhere_else(
    tmp_path: Path, start_server: Servers
) -> None:
    url = start_server()
    with (
        ThreadPoolExecutor(1) as executor,
        Serverless(backend=executor, store=url) as client,
        under_way(client, tmp_path),
        open_link(url) as link,
    ):
        engine = client._ready()
        (own,) = lives(link, "ds:own:*")
        link.call(("EXPIRE", own, SHORT))
        keep_modules(engine.backend, "redis://elsewhere:6379")
        assert link.call(("TTL", own))[0] <= SHORT
        keep_modules(engine.backend, engine.url)
        assert link.call(("TTL", own))[0] > SHORT
