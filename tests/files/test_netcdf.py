"""netCDF4's files, and what xarray reads and writes with each of its engines."""

from __future__ import annotations

import dask
import dask.array as da
import numpy as np
import pytest

from dask_serverless.errors import InputNotPicklable

# Variables of netCDF4


@pytest.fixture
def variable(tmp_path):
    netcdf = pytest.importorskip("netCDF4")
    with netcdf.Dataset(tmp_path / "a.nc", "w") as file:
        inner = file.createGroup("inner/most")
        inner.createDimension("x", 10)
        x = inner.createVariable("x", "i4", ("x",), fill_value=-1)
        x.scale_factor = 0.5
        x.set_auto_scale(False)
        x[:9] = np.arange(9)
    with netcdf.Dataset(tmp_path / "a.nc") as file:
        yield file["inner/most/x"]


@pytest.mark.parametrize("lock", [False, True])
def test_a_variable_is_read_as_the_client_would(serverless, variable, lock):
    for scale in (True, False):
        variable.set_auto_scale(scale)
        for mask in (True, False):
            variable.set_auto_mask(mask)
            x = da.from_array(variable, chunks=3, lock=lock)
            (found,) = dask.compute(x, scheduler=serverless)
            expected = variable[:]
            np.testing.assert_array_equal(np.ma.filled(found, -5), np.ma.filled(expected, -5))


def test_one_that_is_open_for_writing_is_refused_with_a_way_out(serverless, tmp_path):
    netcdf = pytest.importorskip("netCDF4")
    with netcdf.Dataset(tmp_path / "b.nc", "w") as file:
        file.createDimension("x", 10)
        x = file.createVariable("x", "i4", ("x",))
        x[:] = np.arange(10)
        with pytest.raises(InputNotPicklable, match=r"b\.nc is open for writing.*Close it and"):
            da.from_array(x, chunks=3).sum().compute(scheduler=serverless)
        assert da.from_array(x[...], chunks=3).sum().compute(scheduler=serverless) == 45
    with netcdf.Dataset(tmp_path / "b.nc") as file:
        assert da.from_array(file["x"], chunks=3).sum().compute(scheduler=serverless) == 45


def test_storing_into_a_variable(serverless, tmp_path):
    netcdf = pytest.importorskip("netCDF4")
    with netcdf.Dataset(tmp_path / "b.nc", "w") as file:
        file.createDimension("x", 100)
        x = file.createVariable("x", "i8", ("x",))
        da.store(da.arange(100, chunks=7), x, scheduler=serverless)
        assert x[:].tolist() == list(range(100))


# xarray

ENGINES = {"netcdf4": "netCDF4", "h5netcdf": "h5netcdf", "scipy": "scipy"}


@pytest.fixture(params=ENGINES)
def engine(request):
    pytest.importorskip("xarray")
    pytest.importorskip(ENGINES[request.param])
    return request.param


def dataset(chunks=(5, 20)):
    import xarray

    a = da.arange(1600, chunks=200).reshape(40, 40).rechunk(chunks).astype("f8")
    return xarray.Dataset(
        {"a": (("x", "y"), a), "b": ("x", da.ones(40, chunks=7))}, coords={"x": np.arange(40)}
    )


def check(path, engine):
    import xarray

    with xarray.open_dataset(path, engine=engine) as found:
        xarray.testing.assert_equal(found.load(), dataset().compute(scheduler="sync"))


def test_to_netcdf(serverless, tmp_path, engine):
    with dask.config.set(scheduler=serverless):
        dataset().to_netcdf(tmp_path / "a.nc", engine=engine)
        check(tmp_path / "a.nc", engine)


def test_to_netcdf_later(serverless, tmp_path, engine):
    writing = dataset().to_netcdf(tmp_path / "a.nc", engine=engine, compute=False)
    writing.compute(scheduler=serverless)
    check(tmp_path / "a.nc", engine)


def test_to_netcdf_again_and_again_with_reading_in_between(serverless, tmp_path, engine):
    """Neither side may keep the file open, or its lock."""
    import xarray

    with dask.config.set(scheduler=serverless):
        for n in range(4):
            (dataset() + n).to_netcdf(tmp_path / "a.nc", engine=engine)
            with xarray.open_dataset(tmp_path / "a.nc", engine=engine, chunks={"x": 10}) as found:
                assert found.a.mean().compute() == 1599 / 2 + n


def test_save_mfdataset_and_open_mfdataset(serverless, tmp_path, engine):
    import xarray

    paths = [tmp_path / "0.nc", tmp_path / "1.nc"]
    parts = [dataset().isel(x=slice(0, 20)), dataset().isel(x=slice(20, 40))]
    with dask.config.set(scheduler=serverless):
        xarray.save_mfdataset(parts, paths, engine=engine)
        with xarray.open_mfdataset(paths, engine=engine) as found:
            xarray.testing.assert_equal(found.compute(), dataset().compute())


def test_to_zarr(serverless, tmp_path):
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("zarr")
    with dask.config.set(scheduler=serverless):
        dataset().chunk(x=10, y=20).to_zarr(tmp_path / "a.zarr", consolidated=False)
        with xarray.open_zarr(tmp_path / "a.zarr", consolidated=False) as found:
            xarray.testing.assert_equal(found.compute(), dataset().compute())


def test_apply_ufunc(serverless):
    xarray = pytest.importorskip("xarray")
    with dask.config.set(scheduler=serverless):
        squares = xarray.apply_ufunc(
            np.square, dataset().a, dask="parallelized", output_dtypes=["f8"]
        )
        assert squares.sum().compute() == (np.arange(1600.0) ** 2).sum()
