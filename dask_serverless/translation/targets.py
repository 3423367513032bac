"""Where the targets of da.store are: somewhere that containers can write to, or with the client."""

from __future__ import annotations

from typing import Any

import numpy as np

from dask_serverless.blobs.frames import framed

# What these have open for writing, no other process may write to.
OPEN_FILES = {"h5py", "h5netcdf", "netCDF4", "scipy", "tables", "xarray"}


def written_at_home(target: Any) -> bool:
    """Whether only the client can write into a target.

    What is open, or does not say how it travels, is written as Dask's threads would write it: a
    copy of an object in a container may be that of an array in memory, and nobody would notice.
    """
    if isinstance(target, np.ndarray):  # also one that is mapped from a file: it pickles as a copy
        return True
    package = type(target).__module__.partition(".")[0]
    if package == "zarr":
        return not _shared(target.store)
    if package in OPEN_FILES:
        return True
    return not _says_how_it_travels(target)


def _shared(store: Any) -> bool:
    """Whether Zarr keeps an array where other processes find it, piece by piece."""
    if isinstance(store, dict) or "Memory" in type(store).__name__ or "Zip" in type(store).__name__:
        return False
    protocol = getattr(getattr(store, "fs", None), "protocol", ())
    return "memory" not in ([protocol] if isinstance(protocol, str) else protocol)


def _says_how_it_travels(target: Any) -> bool:
    """Whether its class defines its pickling: then it was made for several processes."""
    names = ("__reduce__", "__reduce_ex__", "__getstate__", "__getnewargs__", "__getnewargs_ex__")
    if all(getattr(type(target), name, None) is getattr(object, name, None) for name in names):
        return False
    try:
        framed(target)
    except Exception:
        return False
    return True
