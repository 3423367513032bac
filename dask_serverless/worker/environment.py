"""Which packages are installed here, of those whose versions decide what a pickle means."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from functools import cache

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
    from importlib.metadata import PackageNotFoundError, version  # seldom needed

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


def differing(client: Mapping[str, str]) -> str:
    """Where this container's packages are not the client's, and what to do; "" if they are."""
    here = packages()
    told = [
        f"{name} {here.get(name, 'missing')} (the client has {version})"
        for name, version in client.items()
        if here.get(name) != version
    ]
    if not told:
        return ""
    return (
        f"This container has {', '.join(told)}: what one version pickles, another may not read. Make "
        "its image anew from what the client has (the setting requirements), or install the same there."
    )
