"""HDF5 files that the client has open: read by name in containers, written by the client."""

from __future__ import annotations

import os
import re

import dask
import dask.array as da
import numpy as np
import pytest
from dask import delayed

from dask_serverless.errors import InputNotPicklable

h5py = pytest.importorskip("h5py")


@pytest.fixture
def path(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = np.arange(100)
        file["group/y"] = np.arange(10.0)
    return tmp_path / "a.h5"


def total(array, serverless):
    return array.sum().compute(scheduler=serverless)


# Reading


@pytest.mark.parametrize("lock", [False, True])
def test_a_dataset_that_is_open_for_reading(serverless, path, lock):
    with h5py.File(path) as file:
        assert total(da.from_array(file["x"], chunks=7, lock=lock), serverless) == 4950


def test_files_and_groups_as_arguments_and_in_closures(serverless, path):
    with h5py.File(path) as file:
        group = file["group"]
        ways = [
            delayed(lambda f: f["group/y"][:].sum())(file),
            delayed(lambda g: g["y"][:].sum())(group),
            delayed(lambda: group["y"][:].sum())(),
        ]
        assert dask.compute(*ways, scheduler=serverless) == (45, 45, 45)


def test_a_relative_name_means_the_file_that_it_meant(serverless, path, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with h5py.File("a.h5") as file:
        x = da.from_array(file["x"], chunks=7)
        assert total(x, serverless) == 4950
        other = tmp_path / "other"
        other.mkdir()
        monkeypatch.chdir(other)
        (other / "a.h5").write_bytes(path.read_bytes())
        with pytest.raises(InputNotPicklable, match=r"no longer at .*other/a\.h5; open it anew"):
            total(x, serverless)


def test_a_file_that_was_read_can_be_written_at_once(serverless, path):
    """A container that kept it open would keep its lock on it, too."""
    for n in range(10):
        with h5py.File(path, "r") as file:
            dataset = file["x"]
            value = delayed(lambda d=dataset: int(d[5]))()
            assert total(da.from_array(dataset, chunks=10), serverless) == 4950 + n
            assert value.compute(scheduler=serverless) == 5 + n
        with h5py.File(path, "r+") as file:
            file["x"][5] += 1


def test_what_the_client_has_written_and_not_flushed(serverless, tmp_path):
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["x"] = np.arange(100)
        assert total(da.from_array(file["x"], chunks=10), serverless) == 4950


def test_a_file_that_no_other_process_may_read_is_named_with_a_way_out(serverless, tmp_path):
    path = tmp_path / "b.h5"
    with h5py.File(path, "w", libver="latest") as file:
        file["x"] = np.arange(100)
        with pytest.raises(OSError, match=r"b\.h5 is open for writing.*mode 'r'"):
            total(da.from_array(file["x"], chunks=10), serverless)
    with h5py.File(path, "r") as file:
        assert total(da.from_array(file["x"], chunks=10), serverless) == 4950


def test_a_closed_file_and_one_in_memory_are_named_with_a_way_out(serverless, path):
    with h5py.File(path) as file:
        x = da.from_array(file["x"], chunks=10)
    with pytest.raises(InputNotPicklable, match="file is closed"):
        total(x, serverless)
    with h5py.File("memory", "w", driver="core", backing_store=False) as file:
        file["x"] = np.arange(10)
        with pytest.raises(InputNotPicklable, match=r"dataset\[...\]"):
            total(da.from_array(file["x"], chunks=5), serverless)
        assert total(da.from_array(file["x"][...], chunks=5), serverless) == 45


def test_a_whole_file_that_is_open_for_writing_stays(serverless, path):
    with h5py.File(path, "r+") as file, pytest.raises(InputNotPicklable, match="pass its name"):
        dask.compute(delayed(lambda f: f.create_dataset("z", data=1))(file), scheduler=serverless)


# Writing


@pytest.mark.parametrize("lock", [False, True])
def test_storing_into_a_dataset(serverless, tmp_path, lock):
    x = da.arange(1000, chunks=30)
    with h5py.File(tmp_path / "b.h5", "w") as file:
        one, two = (file.create_dataset(n, (1000,), dtype="i8", compression="gzip") for n in "ab")
        da.store([x, 2 * x], [one, two], lock=lock, scheduler=serverless)
        assert (one[:] == np.arange(1000)).all()
        assert (two[:] == 2 * np.arange(1000)).all()


def test_storing_into_regions(serverless, tmp_path):
    with h5py.File(tmp_path / "b.h5", "w") as file:
        target = file.create_dataset("x", (20,), dtype="i8")
        region = slice(5, 15)
        da.store(da.ones(10, chunks=4), target, regions=(region,), scheduler=serverless)
        assert target[:].tolist() == 5 * [0] + 10 * [1] + 5 * [0]


def test_to_hdf5(serverless, tmp_path):
    with dask.config.set(scheduler=serverless):
        da.to_hdf5(tmp_path / "b.h5", {"/x": da.arange(50, chunks=7), "/y": da.ones(5, chunks=2)})
    with h5py.File(tmp_path / "b.h5") as file:
        assert file["x"][:].tolist() == list(range(50))
        assert file["y"][:].tolist() == [1] * 5


def test_a_file_in_memory_can_be_written_too(serverless):
    with h5py.File("memory", "w", driver="core", backing_store=False) as file:
        target = file.create_dataset("x", (50,), dtype="i8")
        da.store(da.arange(50, chunks=7), target, scheduler=serverless)
        assert target[:].tolist() == list(range(50))


def test_a_compressed_dataset_onto_itself(serverless, tmp_path):
    """Containers read the file while the client has it open; it must not change meanwhile."""
    with h5py.File(tmp_path / "b.h5", "w") as file:
        target = file.create_dataset("x", data=np.arange(4000), chunks=(50,), compression="gzip")
        x = da.from_array(target, chunks=50)
        da.store(x * x, target, scheduler=serverless)
        assert (target[:] == np.arange(4000) ** 2).all()


def test_later_and_several_at_once(serverless, tmp_path):
    with h5py.File(tmp_path / "b.h5", "w") as file:
        target = file.create_dataset("x", (50,), dtype="i8")
        x = da.arange(50, chunks=7)
        writing = da.store(x + 1, target, compute=False)
        found, _, nested = dask.compute(x.sum(), writing, {"max": x.max()}, scheduler=serverless)
        assert (found, nested) == (1225, {"max": 49})
        assert target[:].tolist() == list(range(1, 51))


def test_what_was_stored_can_be_computed_on(serverless, tmp_path):
    x = da.arange(50, chunks=7)
    with h5py.File(tmp_path / "b.h5", "w") as file:
        targets = [file.create_dataset(name, (50,), dtype="i8") for name in "xy"]
        options = {"return_stored": True, "scheduler": serverless}
        stored, more = da.store([x, x + 1], targets, compute=False, **options)
        assert (stored * 2 + more).sum().compute(scheduler=serverless) == 3 * 1225 + 50
        stored, more = da.store([2 * stored, x], targets, **options)
        assert (stored + more).sum().compute(scheduler=serverless) == 3 * 1225


def test_containers_make_what_the_client_writes(serverless, tmp_path):
    pids = da.map_blocks(
        lambda: np.array([os.getpid()]), chunks=((1,) * 6,), dtype=int, meta=np.array([0])
    )
    with h5py.File(tmp_path / "b.h5", "w") as file:
        target = file.create_dataset("x", (6,), dtype="i8")
        da.store(pids, target, scheduler=serverless)
        assert os.getpid() not in target[:].tolist()


def test_an_error_while_writing_names_the_key_and_leaves_the_client_usable(serverless, tmp_path):
    with h5py.File(tmp_path / "b.h5", "w") as file:
        target = file.create_dataset("x", (5,), dtype="i8")
        with pytest.raises(Exception) as caught:
            da.store(da.arange(50, chunks=7), target, scheduler=serverless)
        assert re.search("while the client ran .*store_chunk for the", caught.value.__notes__[0])
        da.store(da.arange(5, chunks=2), target, scheduler=serverless)
        assert target[:].tolist() == list(range(5))


def test_a_limit_on_results_does_not_count_what_is_written(tmp_path):
    from dask_serverless import Serverless

    x = da.ones(100_000, chunks=10_000)
    with (
        h5py.File(tmp_path / "b.h5", "w") as file,
        Serverless(containers=1, result_limit=100_000) as client,
    ):
        target = file.create_dataset("x", (100_000,), dtype="f8")
        da.store(x, target, scheduler=client)
        assert target[:].sum() == 100_000
