"""The classic protocol, as a baseline: right, and as many round trips as its design says."""

from __future__ import annotations

from collections.abc import Iterator

import dask
import dask.array as da
import numpy as np
import pytest
from dask.delayed import delayed

from benchmarks.classic.scheduler import Classic
from dask_serverless.store.connect import open_link


@pytest.fixture(scope="module")
def classic(store_url: str) -> Iterator[Classic]:
    with Classic(store_url, containers=2) as classic:
        yield classic


def add(*values):
    return sum(values)


def refuse():
    raise LookupError("nothing here")


def test_it_computes_what_dask_does(classic):
    x = da.random.default_rng(1).random((60, 60), chunks=20)
    y = ((x @ x.T) + x.sum(axis=0)).mean()
    expected = dask.compute(y, x, scheduler="sync")
    found = dask.compute(y, x, scheduler=classic)
    assert found[0] == pytest.approx(expected[0])
    np.testing.assert_array_equal(found[1], expected[1])


def test_its_round_trips_are_those_of_its_design(classic):
    """Of a tree: each output is stored, each input of the 7 joins is counted."""
    values = [delayed(add, pure=False)(number) for number in range(8)]
    while len(values) > 1:
        pairs = [values[i : i + 2] for i in range(0, len(values), 2)]
        values = [delayed(add, pure=False)(*pair) for pair in pairs]
    dask.compute(values[0], scheduler=classic)  # containers are up
    assert dask.compute(values[0], scheduler=classic) == (28,)
    report = classic.last_run
    assert (report.tasks, report.edges) == (15, 14)
    stored, counted, fetched, told = 15, 14, 7, 1
    client = 4  # the job, the wait, the result, the removal
    jobs = report.store_calls - (stored + counted + fetched + told + client)
    assert 1 <= jobs <= 2  # one fetch of the job for each container that took part


def test_a_chain_is_not_counted_and_stays_where_it_is(classic):
    value = 0
    for _ in range(10):
        value = delayed(add, pure=False)(value, 1)
    assert dask.compute(value, scheduler=classic, optimize_graph=False) == (10,)
    assert classic.last_run.store_calls == 10 + 1 + 1 + 4


def test_what_a_task_raises_is_raised(classic):
    with pytest.raises(LookupError, match="nothing here"):
        dask.compute(delayed(refuse)(), scheduler=classic)
    assert dask.compute(delayed(add)(1, 2), scheduler=classic) == (3,)


def test_it_leaves_no_key(classic, store_url):
    dask.compute(delayed(add)(1, 2), scheduler=classic)
    with open_link(store_url) as link:
        assert link.call(("KEYS", "classic:*")) == [[]]
