"""The pickler: cloudpickle's, with what means something else in another process replaced."""

from __future__ import annotations

import io
import pickle
import sys
import weakref
from collections.abc import Callable, Iterator
from types import FunctionType, MemberDescriptorType, ModuleType
from typing import Any, ClassVar, NamedTuple

import cloudpickle
from dask.utils import SerializableLock

from dask_serverless.blobs import decorated, known, typed
from dask_serverless.blobs.lock import StoreLock

MAKE_CLASS = cloudpickle.cloudpickle._make_skeleton_class


def identity(value: Any) -> Any:
    return value


def reduce_proxy(proxy: Any) -> tuple[Any, ...]:
    """A weak proxy would outlive its referent on the way: the referent goes instead."""
    return identity, (proxy.__repr__.__self__,)


def reduce_lock(lock: SerializableLock) -> tuple[Any, ...]:
    """Dask's lock holds within one process; this one holds wherever tasks run."""
    return StoreLock, (str(lock.token),)


def reduce_class(kind: type) -> Any:
    if stays(kind.__module__):
        return with_slots(kind, cloudpickle.cloudpickle._dynamic_class_reduce(kind))
    return with_slots(kind, cloudpickle.cloudpickle._class_reduce(kind))


def reduce_cached(cached: Any) -> Any:
    if stays(cached.__module__):
        return decorated.cached_by_value(cached)
    return decorated.reduce_cached(cached)


def reduce_typed(made: Any) -> Any:
    if stays(made.__module__) or not typed.importable(made):
        return typed.BY_VALUE[type(made)](made)
    return made.__reduce__()


def reduce_module(module: ModuleType) -> Any:
    if stays(module.__name__):
        return make_module, (module.__name__,), portable(module)  # a cycle of modules has an end
    return cloudpickle.cloudpickle._module_reduce(module)


def with_slots(kind: type, reduced: Any) -> Any:
    """A class by value, with its slots from the start: none can be added to a class that is there.

    cloudpickle leaves them out, so that instances keep all in a ``__dict__`` over there, which
    those of the client's own class do not have.
    """
    if "__slots__" not in vars(kind) or reduced is NotImplemented or reduced[0] is not MAKE_CLASS:
        return reduced
    make, (meta, name, bases, given, *rest), (state, others), *how = reduced
    if NamedTuple in bases:  # which writes its classes' slots itself, and refuses given ones
        return reduced
    given = {**given, "__slots__": vars(kind)["__slots__"]}
    state = {n: v for n, v in state.items() if not isinstance(v, MemberDescriptorType)}
    state.pop("__slots__", None)
    return make, (meta, name, bases, given, *rest), (state, others), *how


class Pickler(cloudpickle.Pickler):
    replaced: ClassVar[dict[type, Callable[[Any], Any]]] = {
        SerializableLock: reduce_lock,
        ModuleType: reduce_module,
        weakref.ProxyType: reduce_proxy,
        weakref.CallableProxyType: reduce_proxy,
        **dict.fromkeys(typed.BY_VALUE, reduce_typed),
        **decorated.REDUCED,
        decorated.LruCached: reduce_cached,
    }

    @property
    def dispatch_table(self) -> Any:
        return _TABLE

    def reducer_override(self, value: Any) -> Any:
        """Like cloudpickle's, which this replaces: it is asked about every object, so one call."""
        kind = type(value)
        if kind is FunctionType:
            if stays(value.__module__):
                return self._dynamic_function_reduce(value)
            return self._function_reduce(value)
        if issubclass(kind, type):
            return reduce_class(value)
        return NotImplemented


_TABLE = cloudpickle.Pickler.dispatch_table.new_child(Pickler.replaced)


def pickler(file: io.BytesIO, buffers: list[pickle.PickleBuffer]) -> Pickler:
    """What writes protocol 5 to the file; large buffers go to ``buffers``."""
    known.register(Pickler.replaced)
    return Pickler(file, protocol=5, buffer_callback=buffers.append)


def dumps(value: Any, buffers: list[pickle.PickleBuffer]) -> bytes:
    """Pickle one value with it."""
    file = io.BytesIO()
    pickler(file, buffers).dump(value)
    return file.getvalue()


# Modules that no container would import as the client has them: see backends/left_behind.py.
by_value: frozenset[str] = frozenset()
# Modules that computed while this process imported them: a container that imported one would compute
# the same, as would its own containers, and so on without an end.
computing: set[str] = set()
settled: set[str] = set()  # modules of which nothing like that has to be feared
# What multiprocessing calls the main script in processes that it spawns: not __main__, by which
# cloudpickle would know it; in a container that name is another module.
SPAWNED_MAIN = "__mp_main__"


def spawned() -> bool:
    """Elsewhere that name is one more for __main__. Here it is there from the script's first line on,
    which may compute; __main__ is another module until the last."""
    return getattr(sys.modules.get(SPAWNED_MAIN), "__name__", "") == SPAWNED_MAIN


def stays(module: Any) -> bool:
    """Whether a container cannot import what is defined in this module, or had better not."""
    if module in settled:
        return module in by_value
    if not isinstance(module, str):
        return False
    return module in by_value or (module == SPAWNED_MAIN and spawned()) or computes(module)


def computes(module: str) -> bool:
    """Whether to import it is to import one that computes meanwhile: itself, or a package around it.

    Pickling by name would also wait for an import that is under way in another thread, which may
    wait for this one.
    """
    names = list(around(module))
    computing.update(filter(under_way, names))
    if computing.isdisjoint(names):
        settled.add(module)
        return False
    return True


def around(module: str) -> Iterator[str]:
    """A module, and the packages that are imported before it."""
    while module:
        yield module
        module = module.rpartition(".")[0]


def under_way(module: str) -> bool:
    return getattr(getattr(sys.modules.get(module), "__spec__", None), "_initializing", False)


ABOUT_ITSELF = {"__name__", "__package__", "__file__", "__path__"}  # what code asks a module for


def make_module(name: str) -> ModuleType:
    return ModuleType(name)


def portable(module: ModuleType) -> dict[str, Any]:
    """What a module holds, without what cannot travel: locks, open files, …"""
    found = {}
    for name, value in vars(module).items():
        if name.startswith("__") and name not in ABOUT_ITSELF:
            continue
        if not isinstance(value, FunctionType | type | ModuleType):
            try:
                dumps(value, [])
            except Exception:
                continue
        found[name] = value
    return found
