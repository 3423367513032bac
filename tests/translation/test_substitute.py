"""What is wrong between processes is replaced, or refused."""

from __future__ import annotations

from itertools import chain

import dask
import dask.bag as db
import dask.dataframe as dd
import in_process
import pandas as pd
import pytest

from dask_serverless.translation.recipes import flat
from dask_serverless.translation.substitute import disk_shuffles
from dask_serverless.translation.translate import materialise

FRAME = pd.DataFrame({"a": [i % 6 for i in range(60)], "b": range(60), "c": list("xyz") * 20})


def seen(collection):
    """The materialised graph and its keys, as a scheduler gets them."""
    caught = []

    def scheduler(graph, keys, **options):
        caught.append((materialise(graph), keys))
        return dask.get(*caught[-1])

    dask.compute(collection, scheduler=scheduler)
    graph, keys = caught[-1]
    return graph, list(flat(keys))  # older Dask nests them by collection


def has_partd(graph):
    return any(isinstance(key, tuple) and "partd" in str(key[0]) for key in graph)


@pytest.mark.parametrize("partitions", [1, 3, 10])
def test_a_disk_shuffle_of_a_frame_becomes_tasks(partitions):
    df = dd.from_pandas(FRAME, npartitions=4)
    graph, keys = seen(df.shuffle("a", npartitions=partitions, shuffle_method="disk"))
    if not has_partd(graph):
        pytest.skip("this Dask shuffles few partitions without a disk")
    assert not has_partd(disk_shuffles(graph))
    found = in_process.get(graph, keys)
    whole = found if isinstance(found, pd.DataFrame) else pd.concat(found)
    pd.testing.assert_frame_equal(whole.sort_values("b"), FRAME, check_dtype=False)


def test_equal_keys_meet_in_one_partition():
    df = dd.from_pandas(FRAME, npartitions=4).shuffle("a", shuffle_method="disk")
    counts = df.map_partitions(lambda part: part.a.value_counts())
    graph, keys = seen(counts)
    found = in_process.get(graph, keys)
    whole = found if isinstance(found, pd.Series) else pd.concat(found)
    assert (whole == 10).all()
    assert len(whole) == 6


def test_a_set_index_through_the_disk():
    df = dd.from_pandas(FRAME, npartitions=4).set_index("b", shuffle_method="disk")
    graph, keys = seen(df)
    found = in_process.get(graph, keys)
    whole = found if isinstance(found, pd.DataFrame) else pd.concat(found)
    assert list(whole.index) == list(range(60))


def test_a_bag_grouped_through_the_disk_becomes_tasks():
    bag = db.from_sequence(range(100), npartitions=6)
    with dask.config.set(scheduler="threads"):
        grouped = bag.groupby(lambda n: n % 7, shuffle="disk", npartitions=3)
    graph, keys = seen(grouped)
    assert has_partd(graph)
    assert not has_partd(disk_shuffles(graph))
    found = dict(chain.from_iterable(in_process.get(graph, keys)))
    assert {key: sorted(values) for key, values in found.items()} == {
        key: list(range(key, 100, 7)) for key in range(7)
    }


def test_graphs_without_a_disk_shuffle_are_left_as_they_are():
    graph = {"a": 1, ("partd",): 2, ("x", 0): 3}
    assert disk_shuffles(graph) is graph
