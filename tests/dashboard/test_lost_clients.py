"""A client that dies while its run goes on: the run is lost, and not running for ever."""

from __future__ import annotations

import threading
from pathlib import Path

import msgpack
import pytest
from awaiting import eventually
from clients import Client
from sightings import batch, sighting, structure
from store_servers import Servers

from dask_serverless.blobs.base import LIVE_SECONDS
from dask_serverless.coordination import watched
from dask_serverless.dashboard.following import NO_KEY
from dask_serverless.dashboard.heading import heading
from dask_serverless.dashboard.listing import Listing
from dask_serverless.dashboard.pages.runs import row
from dask_serverless.dashboard.reader import Reader
from dask_serverless.dashboard.series import SILENT_SECONDS
from dask_serverless.dashboard.states import State
from dask_serverless.dashboard.tables import table
from dask_serverless.dashboard.view import View
from dask_serverless.store.connect import open_link
from dask_serverless.store.embedded import EmbeddedStore

SCRIPT = """
s = Serverless(containers=1, store=STORE)
s._ready().audience.others = True  # somebody looks
s._ready().audience.looked = time.monotonic() + 1e6

@delayed
def wait(folder):
    tell("never seen")
    while os.path.exists(folder):
        time.sleep(0.05)

tell("begun")
wait(os.getcwd()).compute(scheduler=s)
"""


def test_a_run_whose_client_was_killed_is_told_to_be_lost(
    tmp_path: Path, start_server: Servers
) -> None:
    metrics = pytest.importorskip("dask_serverless.dashboard.metrics")
    url = start_server()  # its own: others leave runs in the one that they share
    with Client(tmp_path, f"STORE = {url!r}\n{SCRIPT}") as client, open_link(url) as link:
        assert client.hear() == "begun"
        reader = Reader(url)
        try:
            run = eventually(lambda: reader.latest)
            opened = reader.open(run)
            view = eventually(lambda: opened.view)

            def standing() -> object:
                working = link.call(("HGETALL", watched.working_key(run)))
                return view.moment().states, heading(view), working, client.left()

            eventually(lambda: State.RUNNING in view.moment().states, instead=standing)
            assert "running" in heading(view)
            client.kill()
            # As if its last look were so long ago.
            link.call(("EXPIRE", watched.working_key(run), LIVE_SECONDS - 20))
            eventually(lambda: view.series.abandoned)
            assert "lost" in heading(view)
            assert "\ndask_serverless_lost 1.0" in metrics.exposition(reader).decode()
            assert State.RUNNING not in view.moment().states
        finally:
            reader.close()


@pytest.mark.parametrize(
    ("seconds", "lost"), [(0.0, False), (SILENT_SECONDS, False), (SILENT_SECONDS + 1, True)]
)
def test_silence_is_forgiven_for_a_while(seconds: float, lost: bool) -> None:
    view = View(structure([[]], [0]))
    view.series.heed_silence(seconds)
    assert ("lost" in heading(view)) == lost


def test_a_client_that_was_stopped_comes_back() -> None:
    view = View(structure([[]], [0]))
    view.series.heed_silence(60.0)
    view.series.heed_silence(0.5)
    assert "running" in heading(view)


def test_a_run_that_is_over_is_not_lost() -> None:
    view = View(structure([[]], [0]))
    view.series.heed(batch("c", sighting(0, 0.0)))
    view.series.heed_silence(60.0)
    view.series.heed_end({"at": 1001.0, "error": "", "losses": [], "containers": {}})
    view.series.heed_silence(1e9)
    assert "done" in heading(view) and not view.series.abandoned


LOOKED_AT, STOPPED, GONE = LIVE_SECONDS - 1, LIVE_SECONDS - 60, NO_KEY
SUBMITTED_AT = 1000.0


def under_way() -> Listing:
    """Two runs; one is an older version's, which does not tell of ends."""
    told = {"submitted": SUBMITTED_AT, "tasks": 1, "bundles": 1, "host": "here"}
    listing = Listing()
    for more in ({"run": "old"}, {"run": "new", "ends": True}):
        listing.heed([(b"0-1", [watched.RUN.encode(), msgpack.packb({**told, **more})])])
    return listing


def states(listing: Listing) -> list[str]:
    return [listed.state for listed in listing.runs.values()]


def test_the_list_tells_runs_whose_clients_are_silent_from_those_that_go_on() -> None:
    listing, later = under_way(), SUBMITTED_AT + 3600
    assert [run for run, _ in listing.asked()] == ["new"] and states(listing) == ["", "running"]
    listing.heed_silence(["new"], [LOOKED_AT], later)
    assert states(listing) == ["", "running"]
    listing.heed_silence(["new"], [STOPPED], later)
    assert states(listing) == ["", "lost"]
    listing.heed_silence(["new"], [LOOKED_AT], later)  # its client was only stopped for a while
    assert states(listing) == ["", "running"]
    listing.heed_silence(["new"], [GONE], SUBMITTED_AT + 1)  # has not begun
    assert states(listing) == ["", "running"]
    listing.heed_silence(["new"], [GONE], later)
    assert states(listing) == ["", "lost"] and not listing.asked()


def test_the_list_believes_a_client_that_tells_of_the_end() -> None:
    listing = under_way()
    listing.heed_silence(["new"], [GONE], SUBMITTED_AT + 3600)  # its keys go just before
    over = msgpack.packb({"run": "new", "seconds": 1.5, "error": "ValueError: <b>"})
    listing.heed([(b"0-2", [watched.OVER.encode(), over])])
    listing.heed_silence(["new"], [STOPPED], SUBMITTED_AT + 3600)  # asked before that was read
    listed = listing.runs["new"]
    assert (listed.state, listed.seconds) == ("failed", 1.5)
    listing.heed([(b"0-3", [watched.OVER.encode(), over])])  # its connection broke as it told
    assert listing.ended == {"failed": 1}
    assert "ValueError: &lt;b&gt;" in table(("",), [row(listed)[3:4]])


def test_threads_of_a_reader_end_with_a_run_that_nobody_adds_to() -> None:
    with EmbeddedStore() as store, open_link(store.wait_ready()) as link:
        made = structure([[]], [0])
        link.call(("SET", watched.structure_key("old"), made.pack()))
        reader = Reader(store.wait_ready())
        try:
            opened = reader.open("old")
            eventually(lambda: opened.view and opened.view.series.abandoned)
            eventually(lambda: "run old" not in [t.name for t in threading.enumerate()])
        finally:
            reader.close()
