"""distributed's p2p shuffles and rechunks become tasks."""

from __future__ import annotations

import dask
import dask.array as da
import dask.dataframe as dd
import in_process
import numpy as np
import pandas as pd
import pytest

from dask_serverless.errors import UnsupportedTask
from dask_serverless.translation.p2p import p2p_shuffles
from dask_serverless.translation.translate import materialise

pytest.importorskip("distributed")
pytest.importorskip("pyarrow")

FRAME = pd.DataFrame(
    {"a": [i % 6 for i in range(60)], "b": range(60), "c": list("xyz") * 20},
    index=pd.Index(range(100, 160), name="i"),
).astype({"c": "category"})


def computed(*collections, must=True):
    """Through everything but processes, with p2p chosen wherever there is a choice."""
    seen = []

    def scheduler(graph, keys, **options):
        graph = materialise(graph)
        seen.extend(key for key in graph if str(key).startswith("shuffle-barrier"))
        return in_process.get(graph, keys)

    found = dask.compute(*collections, scheduler=scheduler)
    assert seen or not must, "this graph has no p2p"
    return found[0] if len(found) == 1 else found


@pytest.fixture(autouse=True)
def p2p():
    with dask.config.set({"dataframe.shuffle.method": "p2p", "array.rechunk.method": "p2p"}):
        yield


@pytest.mark.parametrize("partitions", [2, 4, 9])
def test_a_shuffle(partitions):
    df = dd.from_pandas(FRAME, npartitions=4).shuffle("a", npartitions=partitions)
    found = computed(df)
    pd.testing.assert_frame_equal(found.sort_values("b"), FRAME, check_dtype=False)
    counts = computed(df.map_partitions(lambda part: part.a.value_counts()))
    assert len(counts) == 6
    assert (counts == 10).all()


def test_some_partitions_of_a_shuffle():
    df = dd.from_pandas(FRAME, npartitions=4).shuffle("a")
    parts = [computed(df.partitions[n]) for n in range(4)]
    assert sorted(pd.concat(parts).b) == list(range(60))


@pytest.mark.parametrize("how", ["inner", "left", "right", "outer"])
@pytest.mark.parametrize("keys", [{"on": "a"}, {"left_on": "b", "right_index": True}], ids=str)
def test_a_merge(how, keys):
    other = pd.DataFrame({"a": [1, 2, 7], "d": [0.5, 1.5, 2.5]}, index=[3, 50, 99])
    found = computed(
        dd.from_pandas(FRAME, npartitions=4).merge(
            dd.from_pandas(other, npartitions=2, sort=False).clear_divisions(),
            how=how, broadcast=False, **keys,
        )
    )  # fmt: skip
    expected = FRAME.merge(other, how=how, **keys)
    order = list(expected.columns)
    pd.testing.assert_frame_equal(
        found.sort_values(order).reset_index(drop=True)[order],
        expected.sort_values(order).reset_index(drop=True),
        check_dtype=False,
        check_categorical=False,
    )


def test_a_groupby_with_several_outputs_and_a_set_index():
    df = dd.from_pandas(FRAME.sample(frac=1, random_state=1), npartitions=5, sort=False)
    sums = computed(df.groupby("a").b.sum(split_out=3))
    assert sums.to_dict() == FRAME.groupby("a").b.sum().to_dict()
    found = computed(df.set_index("b", divisions=[0, 20, 40, 59]))
    assert list(found.index) == list(range(60))


def test_empty_partitions():
    df = dd.from_pandas(FRAME, npartitions=4)
    found = computed(df[df.b > 50].shuffle("a", npartitions=7))
    assert sorted(found.b) == list(range(51, 60))
    assert len(computed(df[df.b > 1000].shuffle("a"))) == 0


@pytest.mark.parametrize(
    ("shape", "old", "new"),
    [
        ((12,), (5,), (4,)),
        ((12, 10), (3, 10), (12, 2)),
        ((12, 10), ((1, 4, 7), (2, 8)), ((6, 6), (3, 3, 4))),
        ((4, 5, 6), (2, 5, 1), (4, 1, 6)),
        ((5, 4), ((2, 0, 3), (1, 3)), ((0, 5), (4,))),
    ],
    ids=str,
)
def test_a_rechunk(shape, old, new):
    whole = np.arange(np.prod(shape)).reshape(shape)
    x = da.from_array(whole, chunks=old).rechunk(new, method="p2p")
    np.testing.assert_array_equal(computed(x, must=False), whole)
    np.testing.assert_array_equal(computed((x + 1)[::-1], must=False), (whole + 1)[::-1])


def test_a_rechunk_behind_a_rechunk_with_work_in_between():
    whole = np.random.default_rng(1).random((40, 40))
    x = (da.from_array(whole, chunks=(10, 40)) + 1).rechunk((40, 10))
    y = (x * 2).rechunk((5, 20)).sum(axis=0)
    np.testing.assert_allclose(computed(y), ((whole + 1) * 2).sum(axis=0))


def test_graphs_without_p2p_are_left_as_they_are():
    graph = {"a": 1, "shuffle-b": 2, ("x", 0): 3}
    assert p2p_shuffles(graph) is graph


def test_a_p2p_that_we_do_not_know_is_refused_with_a_way_out():
    with pytest.raises(UnsupportedTask, match='with Serverless\\(\\):.*"tasks"'):
        p2p_shuffles({"shuffle-barrier-1": (sum, [1])})
