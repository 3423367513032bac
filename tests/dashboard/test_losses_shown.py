"""Whoever opens a run afterwards sees which container was lost when, and over which tasks."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from awaiting import eventually
from dask import delayed

from dask_serverless import Serverless
from dask_serverless.dashboard.moments import states_at
from dask_serverless.dashboard.reader import read_whole
from dask_serverless.dashboard.states import State
from dask_serverless.dashboard.view import View
from dask_serverless.errors import BundleLost
from dask_serverless.store.connect import open_link
from dask_serverless.store.embedded import EmbeddedStore

pytest.importorskip("bokeh")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs kill -9")


def dies(flag: str) -> str:
    """Unless it did before; without a flag, each time."""
    if not os.path.exists(flag):
        if flag:
            open(flag, "w").close()
        os.kill(os.getpid(), signal.SIGKILL)
    return flag


def takes_its_time(flag: str) -> str:
    time.sleep(0.3)
    return flag


@pytest.fixture
def store() -> Iterator[str]:
    with EmbeddedStore() as store:
        yield store.wait_ready()


def opened(store: str, client: Serverless) -> View:
    with open_link(store) as link:
        return eventually(lambda: over(read_whole(link, client.last_run.run)))


def over(view: View) -> View | None:
    return view if view.series.over else None


def watched(store: str, attempts: int) -> Serverless:
    client = Serverless(containers=1, store=store, history=False, attempts=attempts)
    client._ready().audience.others = True  # somebody looks
    client._ready().audience.looked = time.monotonic() + 1e6
    return client


def test_a_bundle_is_where_it_ran_in_the_end_and_the_loss_where_it_was(
    store: str, tmp_path: Path
) -> None:
    with watched(store, attempts=3) as client:
        delayed(takes_its_time)(delayed(dies)(str(tmp_path / "flag"))).compute(scheduler=client)
        series = opened(store, client).series
    (lost,) = series.losses
    (gone,) = client.last_run.lost
    names = list(series.containers)
    assert names[lost.container] == gone != names[series.container[lost.bundle]]
    assert (
        0 < lost.since < lost.at < series.claimed[lost.bundle] < series.finished[lost.bundle] - 0.3
    )
    assert "SIGKILL" in series.containers[gone].gone


def test_tasks_that_cost_one_container_after_the_other_are_shown_as_failed(store: str) -> None:
    with watched(store, attempts=2) as client:
        with pytest.raises(BundleLost):
            delayed(dies)("").compute(scheduler=client)
        view = opened(store, client)
    first, second = view.series.losses
    assert first.at < second.at <= view.series.over_at
    assert first.container != second.container
    assert all("SIGKILL" in each.gone for each in view.series.containers.values())
    assert states_at(view.series).tolist() == [State.FAILED]
