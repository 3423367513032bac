"""What a fork of a client must not take over from its parent's other threads.

A thread that computes holds locks and imports modules for moments. A fork has only the thread that
forked: a lock that another one held then is never released there, a module that another one was
importing stays half-done for ever, and a garbage collector that another one had paused stays off.
"""

from __future__ import annotations

import os
import sys
import threading
import weakref
from contextlib import suppress
from functools import cached_property
from typing import Any, Protocol

PATIENCE_SECONDS = 2.0  # what holds a lock for longer may be waiting for the thread that forks

#: Held while this package imports parts of itself, and NumPy with them: a fork waits for the end.
importing = threading.RLock()


class Guarded(Protocol):
    lock: Any  # held for moments; a fork waits for it


_guarded: weakref.WeakSet[Guarded] = weakref.WeakSet()
_held: list[Any] = []


def guard(owner: Guarded) -> None:
    """Let forks wait until nobody holds the owner's lock, as long as there is the owner."""
    _guarded.add(owner)


def _before() -> None:
    """Fork while no other thread is in the middle of what could not be mended in the child."""
    held = []
    for lock in (importing, *[owner.lock for owner in list(_guarded)]):
        if lock.acquire(timeout=PATIENCE_SECONDS):
            held.append(lock)
    _held[:] = held  # one fork at a time comes as far as this


def _release() -> None:
    held, _held[:] = list(_held), []
    for lock in reversed(held):
        lock.release()


def _mend() -> None:
    """In the child: new locks for those of threads that are not there."""
    global importing
    _release()
    importing = threading.RLock()
    for owner in list(_guarded):
        owner.lock = threading.RLock()
    with suppress(AttributeError):
        sys.modules["dask.tokenize"].tokenize_lock = threading.RLock()  # type: ignore[attr-defined]
    with suppress(AttributeError, KeyError, RuntimeError):
        sys.modules["dask.config"].config_lock.release()
    if sys.version_info < (3, 12):
        _mend_cached_properties()


def _mend_cached_properties() -> None:
    """Before Python 3.12 each has a lock, held while any thread computes any object's value.

    Dask's expressions compute their names in them, and our graphs their edges: 1 of 60 forks, and
    1 of 20, hung there.
    """
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in ("dask", "dask_serverless", "planners"):
            for kind in list(getattr(module, "__dict__", {}).values()):
                for value in list(vars(kind).values()) if isinstance(kind, type) else ():
                    if isinstance(value, cached_property):
                        value.lock = threading.RLock()  # type: ignore[attr-defined]


os.register_at_fork(before=_before, after_in_parent=_release, after_in_child=_mend)
