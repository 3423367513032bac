"""Types of packages that we do not import: how they travel, once the user has imported them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from dask_serverless.blobs import files

Reduce = Callable[[Any], Any]


def refuse_future(future: Any) -> Any:
    raise TypeError(
        "a future of distributed stays with its client; use future.result(), or compute with "
        "scheduler=client"
    )


def refuse_client(client: Any) -> Any:
    raise TypeError("a client of distributed stays in its process; open one in the task")


def of_distributed() -> dict[type, Reduce]:
    import distributed

    return {distributed.Future: refuse_future, distributed.Client: refuse_client}


_unseen: dict[str, Callable[[], dict[type, Reduce]]] = {
    "h5py": files.of_h5py,
    "netCDF4": files.of_netcdf4,
    "distributed": of_distributed,
}


def register(table: dict[type, Reduce]) -> None:
    """Add to a dispatch table the types of those packages that have been imported meanwhile."""
    for package in [name for name in _unseen if name in sys.modules]:
        if types := _unseen.get(package):  # else another thread was faster
            table.update(types())
            _unseen.pop(package, None)
