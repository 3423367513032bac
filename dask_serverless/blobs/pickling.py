"""The pickler: cloudpickle's, with what means something else in another process replaced."""

from __future__ import annotations

import io
import pickle
import weakref
from collections.abc import Callable
from typing import Any, ClassVar

import cloudpickle
from dask.utils import SerializableLock

from dask_serverless.blobs.lock import StoreLock


def same(value: Any) -> Any:
    return value


def reduce_proxy(proxy: Any) -> tuple[Any, ...]:
    """A weak proxy would outlive its referent on the way: the referent goes instead."""
    return same, (proxy.__repr__.__self__,)


def reduce_lock(lock: SerializableLock) -> tuple[Any, ...]:
    """Dask's lock holds within one process; this one holds wherever tasks run."""
    return StoreLock, (str(lock.token),)


class Pickler(cloudpickle.Pickler):
    replaced: ClassVar[dict[type, Callable[[Any], tuple[Any, ...]]]] = {
        SerializableLock: reduce_lock,
        weakref.ProxyType: reduce_proxy,
        weakref.CallableProxyType: reduce_proxy,
    }

    @property
    def dispatch_table(self) -> Any:
        return _TABLE


_TABLE = cloudpickle.Pickler.dispatch_table.new_child(Pickler.replaced)


def dumps(value: Any, buffers: list[pickle.PickleBuffer]) -> bytes:
    """Pickle with protocol 5; large buffers go to ``buffers``."""
    file = io.BytesIO()
    Pickler(file, protocol=5, buffer_callback=buffers.append).dump(value)
    return file.getvalue()
