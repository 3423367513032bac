"""What watched runs leave in a store: never more than so many bytes, the oldest go first."""

from __future__ import annotations

from threading import Thread

import dask
import pytest
from awaiting import eventually
from dask import delayed
from store_limits import limited_store

from dask_serverless import Serverless
from dask_serverless.client.audience import CHANNEL
from dask_serverless.client.kept import KEYS, keep, measured
from dask_serverless.coordination import watched
from dask_serverless.dashboard.reader import Reader
from dask_serverless.store.connect import open_link
from dask_serverless.store.link import Link

BYTES, SECONDS = 1000, 60


def leave(link: Link, run: str, most_bytes: int, nbytes: int = BYTES) -> None:
    link.call(watched.shaped(run, b"x" * nbytes, SECONDS), *watched.begun(run, SECONDS))
    keep(link, run, nbytes, SECONDS, most_bytes)


def there(link: Link, count: int) -> list[int]:
    keys = [watched.structure_key(f"run{n}") for n in range(count)]
    return [n for n, found in enumerate(link.call(*[("EXISTS", key) for key in keys])) if found]


def total(link: Link) -> int:
    return int(link.call(("HGET", KEYS[2], ""))[0])


def test_the_oldest_runs_go_when_all_have_left_too_much(link: Link) -> None:
    for number in range(10):
        leave(link, f"run{number}", most_bytes=4 * BYTES)
        assert total(link) <= 4 * BYTES
    assert there(link, 10) == [6, 7, 8, 9]
    gone = [told[1] for _, told in link.call(("XRANGE", watched.INDEX, "-", "+"))[0]]
    assert gone == [f"run{n}".encode() for n in range(6)]


def test_a_run_that_is_larger_than_all_may_be_is_there_nevertheless(link: Link) -> None:
    leave(link, "run0", most_bytes=BYTES)
    leave(link, "run1", most_bytes=BYTES, nbytes=9 * BYTES)
    assert there(link, 2) == [1]
    leave(link, "run2", most_bytes=BYTES)
    assert there(link, 3) == [2]
    assert total(link) == BYTES


def test_a_run_that_is_counted_again_counts_once(link: Link) -> None:
    for nbytes in (BYTES, 3 * BYTES, 2 * BYTES):
        keep(link, "run0", nbytes, SECONDS)
    assert total(link) == 2 * BYTES


def test_what_went_by_itself_counts_no_more(link: Link) -> None:
    keep(link, "run0", BYTES, seconds=-1)
    keep(link, "run1", BYTES, SECONDS)
    assert total(link) == BYTES
    assert link.call(("ZRANGE", KEYS[1], 0, -1)) == [[b"run1"]]


def test_many_clients_at_once_count_all_of_it(link: Link, store_url: str) -> None:
    def client(name: int) -> None:
        with open_link(store_url) as mine:
            for number in range(20):
                leave(mine, f"{name}x{number}", most_bytes=10 * BYTES)

    threads = [Thread(target=client, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert total(link) == 10 * BYTES
    assert len(link.call(("KEYS", "*:structure"))[0]) == 10


def test_a_small_store_keeps_less() -> None:
    with (
        limited_store("--maxmemory", "32mb", "--maxmemory-policy", "noeviction") as url,
        open_link(url) as link,
    ):
        for number in range(4):
            leave(link, f"run{number}", most_bytes=64 << 20, nbytes=900_000)
        assert there(link, 4) == [2, 3]


def test_nothing_of_it_stays_for_ever(link: Link) -> None:
    keep(link, "run0", BYTES, SECONDS)
    assert all(seconds > 0 for seconds in link.call(*[("TTL", key) for key in KEYS[1:]]))


def test_a_watched_run_is_counted_with_all_that_it_leaves(link: Link, store_url: str) -> None:
    pytest.importorskip("bokeh")
    reader = Reader(store_url)  # somebody looks
    eventually(lambda: link.call(("PUBSUB", "NUMSUB", CHANNEL))[0][1])
    with Serverless(containers=1, store=store_url) as client:
        listening = client.options(logs=len)
        dask.compute(delayed(print)("line"), scheduler=listening)
        run = listening.last_run.run
        used = [nbytes or 0 for nbytes in link.call(*measured(run))]
        assert total(link) == pytest.approx(sum(used), rel=0.1)
        assert all(used)
    reader.close()
