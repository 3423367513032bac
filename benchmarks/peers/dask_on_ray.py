"""Dask-on-Ray: every Dask task a Ray task, on a local Ray of as many cpus as containers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

OBJECT_STORE_BYTES = 10**9


@contextmanager
def start(containers: int) -> Iterator[Callable[..., Any]]:
    import ray
    from ray.util.dask import ray_dask_get

    ray.init(
        num_cpus=containers,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
        object_store_memory=OBJECT_STORE_BYTES,
    )
    try:
        yield ray_dask_get
    finally:
        ray.shutdown()
