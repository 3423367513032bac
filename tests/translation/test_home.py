"""What only the client can do is taken out of what containers run."""

from __future__ import annotations

import operator

import dask.array as da
import numpy as np
import pytest
from dask import delayed

from dask_serverless.client.failed import Failed
from dask_serverless.client.home import AtHome
from dask_serverless.translation.home import divided
from dask_serverless.translation.targets import written_at_home
from dask_serverless.translation.translate import materialise, translate


class Target:
    def __init__(self):
        self.rows = {}

    def __setitem__(self, index, value):
        self.rows[index[0].start] = value.tolist()


class Travelling(Target):
    def __reduce__(self):
        return Travelling, ()


def parts(collection):
    return divided(translate(materialise(collection.dask), list(collection.__dask_keys__())))


def storing(target, **options):
    stored = da.store(da.arange(9, chunks=3) + 1, target, compute=False, lock=False, **options)
    return stored[0] if isinstance(stored, tuple) else stored  # as older Dask returns it


def test_a_graph_without_writes_is_left_as_it_is():
    array = (da.ones(9, chunks=3) + 1).sum()
    whole = translate(materialise(array.dask), list(array.__dask_keys__()))
    assert divided(whole) == (whole, None)


def test_a_target_that_travels_leaves_no_part_to_the_client():
    assert parts(storing(Travelling()))[1] is None


def test_containers_make_what_the_client_writes():
    target = Target()
    rest, home = parts(storing(target))
    assert len(home.inputs) == 3
    assert set(np.flatnonzero(rest.dag.wanted)) == home.inputs
    at_home = AtHome(home)
    at_home.begin()
    for place, task in enumerate(sorted(home.inputs)):
        at_home.arrived(task, np.full(3, place))
    assert sorted(target.rows) == [0, 3, 6]


def test_what_follows_from_a_write_is_the_clients_and_the_rest_is_not():
    written = storing(Target(), return_stored=True)
    other = da.ones(4, chunks=2).sum()
    rest, home = parts((written.sum() + other).reshape(1))
    assert not [label for label in rest.dag.labels if "aggregate" in str(label) and home is None]
    functions = {rest.dag.function_names[f] for f in rest.dag.functions}
    assert "load_store_chunk" not in functions
    assert any("ones" in str(label) for label in rest.dag.labels)


def test_a_long_chain_behind_a_write():
    value = delayed(lambda stored: 3)(storing(Target()))
    for _ in range(3000):
        value = delayed(operator.add)(value, 1)
    _, home = parts(value)
    at_home = AtHome(home)
    at_home.begin()
    for task in list(home.inputs):
        at_home.arrived(task, np.zeros(3))
    assert at_home.values == {home.steps[-1][0]: 3003}


def test_a_part_of_a_task_waits_for_all_that_the_task_takes():
    """(link, token, (write, …)): Dask runs nothing of it before the token is there."""
    import dask.dataframe.io.hdf as hdf

    order = []

    def link(token, result):
        return result

    graph = {("x", 0): (hdf._pd_to_hdf, order.append, None, [0], {})}
    for number in range(1, 20):
        task = (hdf._pd_to_hdf, order.append, None, [number], {})
        graph["x", number] = (link, ("x", number - 1), task)
    _, home = divided(translate(graph, [("x", 19)]))
    at_home = AtHome(home)
    at_home.begin()
    for task in home.inputs:
        at_home.arrived(task, {})
    assert order == list(range(20))


def test_an_error_keeps_its_type_and_tells_the_key():
    class Broken(Target):
        def __setitem__(self, index, value):
            raise OverflowError("full")

    _, home = parts(storing(Broken()))
    with pytest.raises(Failed) as caught:
        AtHome(home).arrived(min(home.inputs), np.ones(3))
    assert isinstance(caught.value.error, OverflowError)
    assert "store-map" in caught.value.error.__notes__[0]


def test_where_targets_are(tmp_path):
    zarr = pytest.importorskip("zarr")
    make = {"shape": 4, "chunks": 2, "dtype": "i4"}
    assert not written_at_home(zarr.create_array(f"{tmp_path}/a.zarr", **make))
    for store in ({}, "memory://a.zarr", zarr.storage.MemoryStore()):
        assert written_at_home(zarr.create_array(store, **make))
    with zarr.storage.ZipStore(tmp_path / "a.zip", mode="w") as store:
        assert written_at_home(zarr.create_array(store, **make))
    assert written_at_home(np.zeros(4))
    assert written_at_home(np.lib.format.open_memmap(tmp_path / "a.npy", mode="w+", shape=(4,)))
    assert written_at_home(Target())
    assert not written_at_home(Travelling())
