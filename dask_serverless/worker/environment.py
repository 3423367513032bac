"""Which packages are installed here, of those whose versions decide what a pickle means."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version

import dask

import dask_serverless

# What users' arrays, tables and functions are pickled by.
PACKAGES = (
    "cloudpickle", "numpy", "pandas", "polars", "pyarrow", "scikit-learn", "scipy", "sparse", "xarray",
    "zarr",
)  # fmt: skip


@cache
def packages() -> Mapping[str, str]:
    """Those that are there, with their versions; takes a millisecond, once."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def versions() -> dict[str, str]:
    """All that a client may compare with its own."""
    own = {"python": platform.python_version(), "dask": dask.__version__}
    return {**own, "dask-serverless": dask_serverless.__version__, **packages()}
