"""Peers: what happens without one, and how the last run is read."""

from types import SimpleNamespace

import dask
import pytest

from benchmarks.peers import PEERS, Peer, PeerMissing, open_peer
from benchmarks.peers.serverless import last_run_numbers


def test_a_peer_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setitem(PEERS, "absent", Peer("absent", "no_such_module", start=None))
    with pytest.raises(PeerMissing, match="no_such_module"), open_peer("absent", 2):
        pass


@pytest.mark.parametrize("name", ["threads", "synchronous"])
def test_a_peer_is_what_compute_takes_as_scheduler(name):
    with open_peer(name, 2) as scheduler:
        assert dask.compute(dask.delayed(sum)([1, 2]), scheduler=scheduler) == (3,)


@pytest.mark.parametrize(
    "last_run",
    [
        {"bundles": 4, "store_calls": 6, "phases": {"plan": 0.5}},
        SimpleNamespace(bundles=4, store_commands=6, seconds=SimpleNamespace(plan=0.5)),
        SimpleNamespace(bundles=4, store_calls=6, plan_seconds=0.5),
    ],
)
def test_the_last_run_is_read_whatever_its_shape(last_run):
    numbers = last_run_numbers(SimpleNamespace(last_run=last_run))
    assert numbers == {"bundles": 4, "store_calls": 6, "plan": 0.5}


def test_a_peer_without_a_last_run_reports_nothing():
    assert last_run_numbers(dask.get) == {}
    assert last_run_numbers(SimpleNamespace(last_run=None)) == {}
