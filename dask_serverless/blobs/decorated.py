"""What the standard library wraps the user's functions in: how it travels.

``@lru_cache`` on a function of a script pickles as a name that no container can look up,
``@cached_property`` has a lock up to Python 3.11, and ``@singledispatch`` keeps what it has found
by weak references. Each is made again over there, around the same functions.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cached_property, lru_cache
from typing import Any
from weakref import WeakKeyDictionary

from cloudpickle import cloudpickle

LruCached = type(lru_cache(len))  # has no public name
MADE_ANEW = {"cache_parameters", "lock"}  # by the constructors


def attributes(value: Any) -> dict[str, Any]:
    return {name: held for name, held in vars(value).items() if name not in MADE_ANEW}


def make_cached(function: Callable[..., Any], maxsize: int | None, typed: bool) -> Any:
    return lru_cache(maxsize, typed)(function)


def cached_by_value(cached: Any) -> tuple[Any, ...]:
    """An empty cache over there. A function that calls itself is whole only with the state."""
    given = cached.cache_parameters()
    return make_cached, (cached.__wrapped__, given["maxsize"], given["typed"]), attributes(cached)


def reduce_cached(cached: Any) -> Any:
    """By its name where a container can import it, as any other function."""
    if cloudpickle._lookup_module_and_qualname(cached) is None:
        return cached_by_value(cached)
    registered = cloudpickle._is_registered_pickle_by_value(sys.modules[cached.__module__])
    return cached_by_value(cached) if registered else cached.__reduce__()


def reduce_cached_property(cached: Any) -> tuple[Any, ...]:
    return cached_property, (cached.func,), attributes(cached)


def reduce_weak_keys(entries: Any) -> tuple[Any, ...]:
    return WeakKeyDictionary, (dict(entries),)


REDUCED: dict[type, Callable[[Any], Any]] = {
    LruCached: reduce_cached,
    cached_property: reduce_cached_property,
    WeakKeyDictionary: reduce_weak_keys,
}
