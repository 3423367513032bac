"""Rounds: fresh graphs, failures kept to their cell, wrong results found."""

import signal

import dask
import pytest
from dask.delayed import delayed

from benchmarks.deadline import Overdue, deadline
from benchmarks.graphs import GRAPHS, Graph
from benchmarks.rounds import Effort, measure
from benchmarks.samples import LIMIT, Table

EFFORT = Effort(repeat=3, cell_seconds=60.0, containers=2)


def broken(graph, keys, **_):
    raise ValueError("no")


def wrong(graph, keys, **_):
    return one_more(dask.get(graph, keys))


def one_more(result):
    """Dask asks for keys in a list, older Dask for lists of them."""
    if isinstance(result, (list, tuple)):
        return type(result)(map(one_more, result))
    return result + 1


def table_of(**schedulers):
    table = Table()
    graph = Graph("sum", "fine", lambda seed: delayed(sum)([seed, 1]))
    measure(graph, {"synchronous": dask.get, **schedulers}, table, EFFORT)
    return table


def test_every_peer_is_measured_in_every_round():
    table = table_of()
    assert len(table.cell("sum", "synchronous").samples) == 3
    assert len(table.cell("sum", LIMIT).samples) == 3
    assert table.families == {"sum": "fine"}


def test_a_failure_stays_in_its_cell():
    table = table_of(broken=broken)
    assert table.cell("sum", "broken").failure == "ValueError: no"
    assert table.measured("sum", "synchronous")


def test_a_wrong_result_is_no_measurement():
    table = table_of(wrong=wrong)
    assert table.cell("sum", "wrong").failure.startswith("wrong result: 2 instead of 1")
    assert table.measured("sum", "wrong") is None


def test_a_peer_that_hangs_is_interrupted():
    with pytest.raises(Overdue, match=r"no result within 0\.05 s"), deadline(0.05):
        signal.pause()


def keys_of(collections):
    parts = collections if isinstance(collections, tuple) else (collections,)
    return {str(part.__dask_keys__()) for part in parts}


@pytest.mark.parametrize("name", sorted(set(GRAPHS) - {"tree-65536"}))
def test_no_seed_shares_keys_with_another(name):
    build = GRAPHS[name].build
    assert not keys_of(build(0)) & keys_of(build(1))
