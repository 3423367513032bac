"""The pickler: cloudpickle's, with what means something else in another process replaced."""

from __future__ import annotations

import io
import pickle
import sys
import weakref
from collections.abc import Callable, Iterator
from types import FrameType, FunctionType, MemberDescriptorType, ModuleType
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
    return with_slots(kind, cloudpickle.cloudpickle._class_reduce(kind))


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
    replaced: ClassVar[dict[type, Callable[[Any], tuple[Any, ...]]]] = {
        SerializableLock: reduce_lock,
        weakref.ProxyType: reduce_proxy,
        weakref.CallableProxyType: reduce_proxy,
        **decorated.REDUCED,
        **typed.REDUCED,
    }

    @property
    def dispatch_table(self) -> Any:
        return _TABLE

    def reducer_override(self, value: Any) -> Any:
        """Like cloudpickle's, which this replaces: it is asked about every object, so one call."""
        kind = type(value)
        if kind is FunctionType:
            return self._function_reduce(value)
        if issubclass(kind, type):
            return reduce_class(value)
        return NotImplemented


_TABLE = cloudpickle.Pickler.dispatch_table.new_child(Pickler.replaced)


# Modules that no container would import as the client has them: see backends/left_behind.py.
by_value: frozenset[str] = frozenset()
# What multiprocessing calls the main script in processes that it spawns: not __main__, by which
# cloudpickle would know it; in a container that name is another module.
SPAWNED_MAIN = "__mp_main__"


def spawned() -> bool:
    """Elsewhere that name is one more for __main__. Here it is there from the script's first line on,
    which may compute; __main__ is another module until the last."""
    return getattr(sys.modules.get(SPAWNED_MAIN), "__name__", "") == SPAWNED_MAIN


# Modules that computed while this process imported them: a container that imported one would compute
# the same, as would its own containers, and so on without an end.
computing: set[str] = set()


def see_imports() -> None:
    """Note the modules that this thread is importing, or reloading."""
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if frame.f_code.co_name == "<module>":
            name = frame.f_globals.get("__name__")
            module = sys.modules.get(str(name))
            if name != "__main__" and getattr(module, "__dict__", None) is frame.f_globals:
                computing.add(str(name))
        frame = frame.f_back


def stays(module: str | None) -> bool:
    """Whether a container cannot import what is defined in this module."""
    if module in by_value or module == SPAWNED_MAIN:
        return True
    return bool(computing) and isinstance(module, str) and not computing.isdisjoint(around(module))


def around(module: str) -> Iterator[str]:
    """A module, and the packages that are imported before it."""
    while module:
        yield module
        module = module.rpartition(".")[0]


ABOUT_ITSELF = {"__name__", "__package__", "__file__", "__path__"}  # what code asks a module for


def make_module(name: str) -> ModuleType:
    return ModuleType(name)


class PicklerByValue(Pickler):
    """Takes along what is defined in such modules; asked about every object, so only where needed."""

    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, FunctionType) and stays(value.__module__):
            return self._dynamic_function_reduce(value)
        if isinstance(value, type) and stays(value.__module__):
            return with_slots(value, cloudpickle.cloudpickle._dynamic_class_reduce(value))
        if isinstance(value, decorated.LruCached) and stays(value.__module__):
            return decorated.cached_by_value(value)
        if type(value) in typed.BY_VALUE and stays(value.__module__):
            return typed.BY_VALUE[type(value)](value)
        if isinstance(value, ModuleType) and stays(value.__name__):
            return make_module, (value.__name__,), portable(value)  # a cycle of modules has an end
        return super().reducer_override(value)


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


def pickler(file: io.BytesIO, buffers: list[pickle.PickleBuffer]) -> Pickler:
    """What writes protocol 5 to the file; large buffers go to ``buffers``."""
    known.register(Pickler.replaced)
    see_imports()
    kind = PicklerByValue if by_value or computing or spawned() else Pickler
    return kind(file, protocol=5, buffer_callback=buffers.append)


def dumps(value: Any, buffers: list[pickle.PickleBuffer]) -> bytes:
    """Pickle one value with it."""
    file = io.BytesIO()
    pickler(file, buffers).dump(value)
    return file.getvalue()
