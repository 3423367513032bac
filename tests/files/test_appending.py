"""What appends or lives in the client's memory is written by the client, each piece once."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import dask
import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
from dask import delayed

FRAME = pd.DataFrame({"a": np.arange(60), "b": np.arange(60) / 2})


def frame():
    return dd.from_pandas(FRAME, npartitions=6)


def after_a_loss(writes, mark, serverless):
    """Compute writes, with what a container that ran some of them would die over, once."""
    client = os.getpid()

    def lose(written):
        if os.getpid() != client and not os.path.exists(mark):
            mark.touch()
            os._exit(1)

    dask.compute(delayed(lose)(writes), scheduler=serverless)


@pytest.mark.parametrize("mode", ["wt", "at"])
def test_a_single_csv_file(serverless, tmp_path, mode):
    options = {"single_file": True, "mode": mode, "index": False, "compute": False}
    after_a_loss(frame().to_csv(tmp_path / "a.csv", **options), tmp_path / "mark", serverless)
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "a.csv"), FRAME)


def test_csv_files_that_are_appended_to(serverless, tmp_path):
    names = [f"{tmp_path}/a-{n}.csv" for n in range(6)]
    writes = frame().to_csv(names, mode="at", header=False, compute=False)
    for number, (write, name) in enumerate(zip(writes, names, strict=True)):
        after_a_loss(write, tmp_path / f"mark-{number}", serverless)
        assert len(Path(name).read_text().splitlines()) == 10


def test_hdf(serverless, tmp_path):
    pytest.importorskip("tables")
    with dask.config.set(scheduler=serverless):
        for _ in range(2):
            frame().to_hdf(tmp_path / "a.hdf", "/x", append=True)
        found = dd.read_hdf(tmp_path / "a.hdf", "/x").compute()
    pd.testing.assert_frame_equal(found, pd.concat([FRAME, FRAME]))


@pytest.mark.parametrize("parallel", [False, True])
def test_sql(serverless, tmp_path, parallel):
    pytest.importorskip("sqlalchemy")
    url = f"sqlite:///{tmp_path}/a.db"
    writes = frame().to_sql("t", url, parallel=parallel, index=False, compute=False)
    after_a_loss(writes, tmp_path / "mark", serverless)
    with sqlite3.connect(tmp_path / "a.db") as connection:
        assert connection.execute("select count(*), sum(a) from t").fetchone() == (60, 1770)


def test_an_array_of_zarr_in_memory(serverless):
    """A container would write into a copy, and nobody would notice."""
    zarr = pytest.importorskip("zarr")
    target = zarr.create_array({}, shape=(100,), chunks=(10,), dtype="i8")
    da.store(da.arange(100, chunks=10), target, scheduler=serverless)
    assert target[:].tolist() == list(range(100))
    target[:] = 0
    da.arange(100, chunks=10).to_zarr(target, compute=False).compute(scheduler=serverless)
    assert target[:].tolist() == list(range(100))


class InMemory:
    def __init__(self):
        self.rows = {}
        self.pids = set()

    def __setitem__(self, index, value):
        self.rows[index[0].start] = value
        self.pids.add(os.getpid())


def test_a_target_of_ones_own_that_keeps_what_it_gets(serverless):
    target = InMemory()
    da.store(da.arange(12, chunks=3), target, lock=False, scheduler=serverless)
    assert {start: rows.tolist() for start, rows in target.rows.items()} == {
        start: [start, start + 1, start + 2] for start in range(0, 12, 3)
    }


class Travelling:
    """Says how it travels: it is written to from containers."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return Travelling, (self.folder,)

    def __setitem__(self, index, value):
        (self.folder / f"{index[0].start}").write_text(str(os.getpid()))


def test_a_target_that_says_how_it_travels(serverless, tmp_path):
    da.store(da.arange(12, chunks=3), Travelling(tmp_path), lock=False, scheduler=serverless)
    assert sorted(os.listdir(tmp_path)) == ["0", "3", "6", "9"]
    assert str(os.getpid()) not in {path.read_text() for path in tmp_path.iterdir()}


def test_only_values_that_are_in_memory_already(serverless):
    """Nothing at all is left for containers."""
    target = InMemory()
    array = da.from_array(np.arange(12), chunks=12)
    da.store(array, target, scheduler=serverless)
    assert target.rows[0].tolist() == list(range(12))
    assert target.pids == {os.getpid()}


class Watching:
    def __init__(self, folders):
        self.folders = folders
        self.left = []

    def __setitem__(self, index, value):
        self.left.append(sum(len(os.listdir(folder)) for folder in self.folders))


def test_nothing_is_kept_longer_than_it_is_needed(serverless):
    """The array may be larger than any memory: each piece goes when it has been written."""
    target = Watching(serverless._engine.folders.paths)
    x = da.map_blocks(np.full, 20_000, chunks=((20_000,) * 30,), fill_value=1, dtype=int)
    da.store(x, target, lock=False, scheduler=serverless)
    assert len(target.left) == 30
    assert target.left[-1] == 1
