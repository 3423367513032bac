"""What callers of any Dask scheduler pass on: what is silent, what is warned of, what refused."""

from __future__ import annotations

import warnings

import dask
import dask.array as da
import dask.bag as db
import pytest
from dask import delayed

from dask_serverless.client import ignored

# Older Dask hands over graphs from which its optimizations have lost the annotations.
expressions = pytest.mark.skipif(
    not hasattr(getattr(dask, "_expr", None), "HLGExpr"), reason="this Dask keeps no annotations"
)


@pytest.fixture(autouse=True)
def nothing_told_yet(monkeypatch):
    monkeypatch.setattr(ignored, "_told", set())


def warned(work) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        work()
    assert {warning.filename for warning in caught} <= {__file__}
    return [str(warning.message) for warning in caught]


def test_what_dask_and_xarray_pass_on_is_silent(serverless):
    target = da.ones(4, chunks=2)
    options = {**dict.fromkeys(ignored.PASSED_ON, True), "num_workers": 2, "chunksize": 1}
    assert warned(lambda: dask.compute(target.sum(), scheduler=serverless, **options)) == []


@pytest.mark.parametrize("make", [True, False], ids=["now", "later"])
def test_xarrays_to_zarr_is_silent(serverless, tmp_path, make):
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("zarr")
    data = xarray.Dataset({"x": ("t", da.arange(8, chunks=4))})

    def write():
        with dask.config.set(scheduler=serverless):
            later = data.to_zarr(tmp_path / "x.zarr", compute=make, consolidated=False)
            if not make:
                later.compute()

    assert [words for words in warned(write) if "scheduler" in words] == []
    assert (xarray.open_zarr(tmp_path / "x.zarr", consolidated=False).x == data.x).all()


def test_a_keyword_of_other_schedulers_is_named_once(serverless):
    def compute():
        dask.compute(delayed(sum)([1]), scheduler=serverless, priority=3)

    (words,) = warned(lambda: [compute(), compute()])
    assert "'priority'" in words


def test_a_mistyped_keyword_is_refused(serverless):
    with pytest.raises(TypeError, match="num_workers"):
        dask.compute(delayed(sum)([1]), scheduler=serverless, num_worker=3)


def collections():
    with dask.annotate(priority=3, resources={"GPU": 1}):
        return {
            "delayed": delayed(sum)([1, 2]),
            "array": da.ones((6, 6), chunks=3) + 1,
            "bag": db.from_sequence(range(4), npartitions=2).map(str),
        }


@pytest.mark.parametrize(
    "name",
    ["delayed", pytest.param("array", marks=expressions), pytest.param("bag", marks=expressions)],
)
def test_each_annotation_is_named_once(serverless, name):
    """Also where Dask's optimizations lose it on the way."""
    collection = collections()[name]
    found = warned(lambda: [dask.compute(collection, scheduler=serverless) for _ in range(2)])
    assert sorted(words.partition("=")[0] for words in found) == [
        "dask.annotate(priority",
        "dask.annotate(resources",
    ]


@expressions
def test_annotations_among_several_collections_and_in_what_is_made_from_them(serverless):
    arrays, others = collections()["array"], delayed(sum)([3])
    found = warned(lambda: dask.compute(others, (arrays.T @ arrays).sum(), scheduler=serverless))
    assert len(found) == 2
    ignored._told.clear()
    assert len(warned(lambda: arrays.persist(scheduler=serverless))) == 2
    ignored._told.clear()
    graph = arrays.__dask_graph__()
    assert len(warned(lambda: serverless.get(graph, arrays.__dask_keys__()))) == 2


def test_annotations_around_the_call_alone(serverless):
    """distributed heeds those too, for all that is computed within."""
    before = delayed(sum)([1, 2])
    with dask.annotate(workers=["one"]):
        (words,) = warned(lambda: [before.compute(scheduler=serverless) for _ in range(2)])
    assert "annotate(workers" in words


def test_without_annotations_nothing_is_said(serverless):
    arrays = da.ones((6, 6), chunks=3) + 1
    assert warned(lambda: dask.compute(arrays.sum(), arrays, scheduler=serverless)) == []
