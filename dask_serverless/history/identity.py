"""What identifies a function across runs, processes and hosts.

The qualified name does for what is installed. The user's own functions change under the same name,
and lambdas share one: theirs is followed by a hash of what they do. Nothing that differs between
two processes goes in, so no addresses, no ``hash()``, no paths and no line numbers.
"""

from __future__ import annotations

import os
import sys
import weakref
from collections.abc import Sequence
from functools import lru_cache, partial
from hashlib import blake2b
from itertools import groupby
from types import CodeType
from typing import Any

from dask_serverless.history.called import is_partial, name_of
from dask_serverless.history.traits import Traits

LONGEST = 200  # characters of an identity before its hash
DIGEST_BYTES = 6
ENGINE = {"dask_serverless", "planners"}  # often installed from a checkout, and not the user's
STANDARD = os.path.dirname(os.__file__) + os.sep
INSTALLED = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")

# id(function) → what it was, its code then (editors change that in place), its identity
_known: dict[int, tuple[weakref.ref[Any], CodeType | None, str]] = {}


def identity(function: Any) -> str:
    """A name for people, with a hash where the name alone does not tell; never raises."""
    try:
        known = _known.get(id(function))
        code = getattr(function, "__code__", None)
        if known is not None and known[0]() is function and known[1] is code:
            return known[2]
        found = identified(function)
        remember(function, code, found)
        return found
    except Exception:  # an object may do anything when it is looked at
        return type(function).__qualname__[:LONGEST]


def identified(function: Any) -> str:
    name = name_of(function)
    if names_all(function, name):
        return name[:LONGEST]
    traits = Traits(is_own)
    traits.callable(function)
    return with_hash(name, traits.digest(DIGEST_BYTES) if traits.needed else "")


def names_all(function: Any, name: str) -> bool:
    """Whether it is installed, and the only one of its name: most functions of most graphs are."""
    return (
        "<" not in name
        and isinstance(getattr(function, "__qualname__", None), str)
        and not is_partial(function)
        and not is_own(type(function).__module__)
        and not is_own(function.__module__ or "builtins")
    )


def with_hash(name: str, digest: str) -> str:
    return f"{name[:LONGEST]}#{digest}" if digest else name[:LONGEST]


def chain_identity(parts: Sequence[str]) -> str:
    """The identity of a fused task: those of its steps, in order."""
    return parts[0] if len(parts) == 1 else _chain_identity(tuple(parts))


@lru_cache(maxsize=4096)  # graphs of one kind have the same chains again and again
def _chain_identity(parts: tuple[str, ...]) -> str:
    told = []
    for part, same in groupby(part.partition("#")[0] for part in parts):
        count = len(list(same))
        short = ".".join(part.split(".")[-2:])
        told.append(f"{short} x{count}" if count > 1 else short)
    digest = blake2b("\n".join(parts).encode("utf-8", "replace"), digest_size=DIGEST_BYTES)
    return with_hash(shortened(told), digest.hexdigest())


def shortened(told: Sequence[str]) -> str:
    """As many steps from either end as there is room for; the last one makes the value."""
    name = " > ".join(told)
    if len(name) <= LONGEST:
        return name
    return f"{told[0][: LONGEST // 3]} > {len(told) - 2} more > {told[-1][: LONGEST // 3]}"


def remember(function: Any, code: CodeType | None, found: str) -> None:
    forget = partial(forgotten, _known, id(function))
    try:
        _known[id(function)] = (weakref.ref(function, forget), code, found)
    except TypeError:  # of C, as a rule, and quick to look at again
        return


def forgotten(known: dict[int, Any], key: int, reference: object) -> None:
    known.pop(key, None)  # no global: at the end of the interpreter there are none


def is_own(module: str) -> bool:
    """Whether the user may edit it: in no package that is installed, nor Python's own."""
    if module in ("", "__main__", "__mp_main__"):
        return True
    if module not in sys.modules:  # pickled by value: its module is only where it was written
        return module.partition(".")[0] not in ENGINE
    return _is_own(module)


@lru_cache(maxsize=4096)
def _is_own(module: str) -> bool:
    if module.partition(".")[0] in (*ENGINE, *sys.builtin_module_names):
        return False
    path = getattr(sys.modules[module], "__file__", None) or ""
    if not path:  # frozen, or made by hand in a notebook
        return getattr(sys.modules[module], "__spec__", None) is None
    return not path.startswith(STANDARD) and not any(part in path for part in INSTALLED)
