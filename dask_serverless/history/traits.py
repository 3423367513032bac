"""What a callable does, as bytes that are the same in every process: code, and simple values."""

from __future__ import annotations

import enum
import types
from collections.abc import Callable, Collection, Iterable
from hashlib import blake2b
from typing import Any

from dask_serverless.history.called import is_operator, is_partial, name_of

MOST_PARTS = 200  # looked at within one callable; what lies beyond tells two of them hardly apart
MOST_ITEMS = 32  # of one container
MOST_CHARACTERS = 1000  # of one text
PLAIN = {int, float, complex, bool, type(None), type(Ellipsis), range}


class Traits:
    """Collects what tells a callable from its namesakes; ``needed`` says whether its name does not.

    What was met before is only referred to: functions hold themselves in their closures.
    """

    def __init__(self, is_own: Callable[[str], bool]) -> None:
        self.is_own = is_own
        self.parts: list[str] = []
        self.met: dict[int, int] = {}
        self.alive: list[Any] = []  # so that no two of them have one id
        self.needed = False

    def digest(self, size: int) -> str:
        text = "\0".join(self.parts)
        return blake2b(text.encode("utf-8", "backslashreplace"), digest_size=size).hexdigest()

    def callable(self, function: Any) -> None:
        """Functions, methods, partials, classes and whatever else can be called."""
        if len(self.parts) > MOST_PARTS:
            return
        if (number := self.met.get(id(function))) is not None:
            self.parts.append(f"again {number}")
            return
        self.met[id(function)] = len(self.met)
        self.alive.append(function)
        name = name_of(function)
        self.parts.append(name)
        if isinstance(function, types.FunctionType):
            self.function(function, name)
        elif isinstance(function, types.MethodType):
            self.callable(function.__func__)
            self.parts.append(name_of(class_of(function.__self__)))
        elif is_partial(function):
            self.partial(function)
        elif isinstance(function, type):
            self.of_class(function)
        elif not isinstance(function, types.BuiltinFunctionType):
            self.instance(function)

    def function(self, function: types.FunctionType, name: str) -> None:
        """Code where the name may stand for several: the user's own, lambdas, inner functions."""
        if "<" not in name and not self.is_own(function.__module__ or ""):
            return
        self.needed = True
        self.code(function.__code__)
        self.value(function.__defaults__)
        self.value(function.__kwdefaults__)
        for cell in function.__closure__ or ():
            try:
                self.value(cell.cell_contents)
            except ValueError:  # empty as yet
                self.parts.append("empty")

    def code(self, code: types.CodeType) -> None:
        """Without its file, its lines and what its local variables are called."""
        arguments = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        signature = (code.co_argcount, code.co_posonlyargcount, code.co_flags, arguments)
        self.parts.append(repr((signature, code.co_names, code.co_freevars)))
        self.parts.append(code.co_code.decode("latin-1"))
        for constant in code.co_consts:
            if isinstance(constant, types.CodeType):
                self.code(constant)
            else:
                self.value(constant)

    def partial(self, partial: Any) -> None:
        """functools', and toolz' curry, which has the same three parts."""
        self.callable(partial.func)
        if partial.args or partial.keywords:
            self.needed = True
            self.value(tuple(partial.args))
            self.value(dict(partial.keywords or {}))

    def of_class(self, kind: type) -> None:
        if not self.is_own(kind.__module__):
            return
        for name in ("__new__", "__init__", "__call__"):
            if isinstance(method := vars(kind).get(name), types.FunctionType):
                self.callable(method)

    def instance(self, instance: Any) -> None:
        """An object with ``__call__``: its class, and its public attributes, or what it wraps."""
        kind = type(instance)
        self.parts.append(name_of(kind))
        self.of_class(kind)
        if is_operator(instance):
            self.needed = True
            self.value(instance.__reduce__()[1])
            return
        if kind.__name__ == "SubgraphCallable":  # Dask's fused tasks, whose keys are ever new
            self.needed = True
            self.value([getattr(t, "func", None) or t[0] for t in instance.dsk.values() if t])
            return
        if "__wrapped__" in (getattr(instance, "__dict__", None) or ()):
            self.callable(instance.__wrapped__)
            return
        for name, value in attributes(instance):
            self.needed = True
            self.parts.append(name)
            self.value(value)

    def value(self, value: Any) -> None:
        """A simple value as it is, a callable by what it does, of anything else its type."""
        if len(self.parts) > MOST_PARTS:
            return
        if type(value) in PLAIN:
            self.parts.append(repr(value))
        elif type(value) in (str, bytes):
            self.parts.append(f"{len(value)}:{value[:MOST_CHARACTERS]!r}")
        elif isinstance(value, enum.Enum):
            self.parts += [name_of(type(value)), value.name]
        elif isinstance(value, slice):
            self.value((value.start, value.stop, value.step))
        elif type(value) in (tuple, list):
            self.several(type(value).__name__, len(value), value)
        elif type(value) in (set, frozenset):
            self.several("set", len(value), in_order(value))
        elif type(value) is dict:
            self.several("dict", len(value), in_order(value.items()))
        elif type(value).__module__ == "numpy" and hasattr(value, "item"):
            self.parts += [name_of(type(value)), "" if value.shape else repr(value)]
        elif callable(value):
            self.callable(value)
        else:
            self.parts.append(name_of(type(value)))

    def several(self, kind: str, length: int, values: Iterable[Any]) -> None:
        self.parts.append(f"{kind} {length}")
        for _, value in zip(range(MOST_ITEMS), values, strict=False):
            self.value(value)


def class_of(owner: Any) -> type:
    """To which a method is bound, or whose instance it is bound to."""
    return owner if isinstance(owner, type) else type(owner)


def attributes(instance: Any) -> list[tuple[str, Any]]:
    """Those without an underscore, from the instance's dictionary and its slots, by name."""
    found: dict[str, Any] = dict(getattr(instance, "__dict__", None) or {})
    for kind in type(instance).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if hasattr(instance, name):
                found[name] = getattr(instance, name)
    return [(name, found[name]) for name in sorted(found)[:MOST_ITEMS] if name[:1] != "_"]


def in_order(values: Collection[Any]) -> Iterable[Any]:
    """Their own order differs between processes, or makes no difference; of many only the count."""
    return sorted(values, key=repr) if len(values) <= MOST_ITEMS else ()
