"""The store may go while pages are open: they say so, and go on when it is back."""

from __future__ import annotations

import msgpack
from awaiting import eventually
from dask import delayed
from sightings import batch, sighting, structure

from dask_serverless import Serverless
from dask_serverless.client.audience import CHANNEL
from dask_serverless.client.kept import keep
from dask_serverless.coordination import watched
from dask_serverless.dashboard.numbers import numbers
from dask_serverless.dashboard.reader import MOST_VIEWS, Reader
from dask_serverless.store.connect import open_link
from dask_serverless.store.link import Link
from dask_serverless.store.server import Server


def leave(link: Link, run: str) -> None:
    """What a watched run of two bundles leaves, the first of which is done."""
    shape = structure([[], [0]], [0, 1], wanted=[1])
    told = {"run": run, "submitted": 1000.0, "tasks": 2, "bundles": 2, "host": "here"}
    link.call(
        *watched.begun(run, 60),
        watched.shaped(run, shape.pack(), 60),
        *watched.listed(watched.RUN, msgpack.packb(told)),
        watched.added(run, watched.BATCH, batch("c1", sighting(0, 1.0)).pack()),
    )


def test_a_store_that_goes_is_told_of_and_the_next_one_is_read() -> None:
    first, second = Server(), Server()
    try:
        assert not first.wait_ready(10) and not second.wait_ready(10)
        reader = Reader(first.url)
        with open_link(first.url) as link:
            leave(link, "abc")
        eventually(lambda: reader.latest == "abc")
        view = eventually(lambda: reader.open("abc").view)
        assert view.series.done_bundles == 1
        first.stop()
        eventually(lambda: "No store answers" in reader.trouble)
        with open_link(second.url) as link:
            leave(link, "def")
        reader.follow(second.url)
        eventually(lambda: reader.latest == "def" and not reader.trouble)
        reader.close()
    finally:
        first.stop()
        second.stop()


def test_two_dashboards_on_one_store_show_the_same_and_neither_takes_anything_away(
    store_url: str,
) -> None:
    readers = [Reader(store_url), Reader(store_url)]
    with (
        Serverless(containers=1, store=store_url, history=False) as client,
        open_link(store_url) as link,
    ):
        looking = ("PUBSUB", "NUMSUB", CHANNEL)
        eventually(lambda: link.call(looking)[0][1] == len(readers))
        delayed(sum)([1, 2]).compute(scheduler=client)
        run = client.last_run.run
    for reader in readers:
        eventually(lambda reader=reader: reader.latest == run)
        view = eventually(lambda reader=reader: reader.open(run).view)
        eventually(lambda view=view: view.series.succeeded)
        assert numbers(view.series).makespan == client.last_run.makespan_seconds
        reader.close()


def test_what_is_held_of_runs_is_bounded(link: Link, store_url: str) -> None:
    reader = Reader(store_url)
    for number in range(3 * MOST_VIEWS):
        leave(link, f"run{number}")
        opened = reader.open(f"run{number}")
        eventually(lambda opened=opened: opened.view)
    assert len(reader.opened) == MOST_VIEWS
    eventually(lambda: len(reader.listing.runs) == 3 * MOST_VIEWS)
    reader.close()


def test_a_run_told_of_twice_by_a_client_whose_connection_broke_is_listed_once(
    link: Link, store_url: str
) -> None:
    for run in ("abc", "abc", "def"):
        leave(link, run)
    reader = Reader(store_url)
    eventually(lambda: reader.latest == "def")
    assert list(reader.listing.runs) == ["abc", "def"]
    reader.close()


def test_what_another_version_wrote_is_passed_over(link: Link, store_url: str) -> None:
    leave(link, "abc")
    link.call(
        ("XADD", watched.INDEX, "*", "r", b"\xc1 no msgpack"),
        ("XADD", watched.INDEX, "*", "r", msgpack.packb({"run": "new", "shape": 3})),
        watched.added("abc", "b", b"\xc1"),
        watched.added("abc", "x", b"what is this"),
        watched.added("abc", watched.BATCH, batch("c1", sighting(1, 2.0), number=1).pack()),
    )
    reader = Reader(store_url)
    view = eventually(lambda: reader.open("abc").view)
    assert view.series.done_bundles == 2
    eventually(lambda: list(reader.listing.runs) == ["abc"])
    reader.close()


def test_a_run_that_went_before_its_time_leaves_the_list(link: Link, store_url: str) -> None:
    reader = Reader(store_url)
    for run in ("abc", "def", "ghi"):
        leave(link, run)
        keep(link, run, 1000, 60, most_bytes=2000)
    eventually(lambda: list(reader.listing.runs) == ["def", "ghi"])
    assert reader.listing.dropped == 1
    assert "the store has nothing" in eventually(lambda: reader.open("abc").trouble)
    reader.close()
