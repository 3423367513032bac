"""Dask's own schedulers inside the client's process: threads, and one task after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any


@contextmanager
def start_threads(containers: int) -> Iterator[Callable[..., Any]]:
    import dask.threaded

    yield partial(dask.threaded.get, num_workers=containers)


@contextmanager
def start_synchronous(containers: int) -> Iterator[Callable[..., Any]]:
    import dask

    yield dask.get
