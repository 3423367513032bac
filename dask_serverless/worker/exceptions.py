"""Exceptions in parts: what a container sends of each one, so that the client can make it again.

Pickle calls an exception's class with ``args``, which fails where ``__init__`` takes others, loses
what it came from, and gives up as a whole on one attribute. So classes, arguments and attributes
travel by themselves, and exceptions refer to one another by number: chains, groups, cycles.
"""

from __future__ import annotations

import copyreg
import io
import pickle
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import GetSetDescriptorType, MemberDescriptorType
from typing import Any

from dask_serverless.blobs.pickling import Pickler
from dask_serverless.worker.deadline import Deadline
from dask_serverless.worker.tracebacks import Frame, frames_of

MOST_EXCEPTIONS = 1000  # in chains and groups together
MOST_BYTES = 32 << 20  # of pickles in one failure: it travels through the store, in one value
MOST_CHARACTERS = 20_000  # of a text that stands for what does not travel
LINE_CHARACTERS = 300
HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE: made by a class statement, or by an extension module
OWN_PICKLING = {"__reduce__", "__reduce_ex__", "__getstate__", "__setstate__", "__getnewargs__",
    "__getnewargs_ex__"}  # fmt: skip
DESCRIPTORS = (MemberDescriptorType, GetSetDescriptorType)
# What an attribute was missed on is as large as it likes; pickle leaves it behind as well.
LEFT_BEHIND = {"__dict__", "__weakref__", "obj"}


@dataclass(frozen=True)
class Value:
    """An argument or an attribute: pickled, or in words if it cannot be."""

    pickled: bytes = b""
    shown: str = ""  # its str
    represented: str = ""  # its repr
    lost: str = ""  # why it does not travel; "" if it does


@dataclass(frozen=True)
class ExceptionParts:
    """One exception. Those it refers to are numbers in the failure's list; -1: none."""

    kind: str
    module: str
    text: str
    kinds: list[bytes]  # its class and those it derives from, nearest first; b"": unpicklable
    own: bytes  # what its class's own __reduce__ gave, where there is one that works
    values: list[dict[str, Any]]  # of Value
    args: list[int]  # which of the values
    group: list[int]  # of an exception group: message and exceptions, likewise
    members: dict[str, int]  # what slots and built-in classes hold, likewise
    state: dict[str, int]  # its __dict__, likewise
    frames: list[Frame]
    cause: int
    context: int
    suppressed: bool  # whether tracebacks leave out the context


class TooLarge(Exception):
    """A pickle that would not fit."""


class Bounded(io.BytesIO):
    """Refuses to grow beyond a size, before what is too large has been copied."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most

    def write(self, data: Any) -> int:
        if self.tell() + memoryview(data).nbytes > self.most:
            raise TooLarge("too large to travel")
        return super().write(data)


class ReferringPickler(Pickler):
    """Pickles exceptions, wherever they stand, as their numbers."""

    def __init__(self, file: io.BytesIO, number: Callable[[BaseException], int]) -> None:
        super().__init__(file, protocol=5)
        self.number = number

    def persistent_id(self, value: Any) -> int | None:
        return self.number(value) if issubclass(type(value), BaseException) else None


@dataclass
class Apart:
    """Takes an exception apart, with all that it refers to."""

    errors: list[BaseException] = field(default_factory=list)
    numbers: dict[int, int] = field(default_factory=dict)  # id(exception) → its number
    room: int = MOST_BYTES
    deadline: Deadline = field(default_factory=Deadline)

    def of(self, error: BaseException) -> Iterator[ExceptionParts]:
        self.number(error)
        done = 0
        while done < len(self.errors):  # which grows meanwhile
            yield self.parts(self.errors[done])
            done += 1

    def number(self, error: BaseException | None) -> int:
        if error is None:
            return -1
        known = self.numbers.get(id(error))
        if known is None:
            if len(self.errors) >= MOST_EXCEPTIONS:
                return -1
            known = self.numbers[id(error)] = len(self.errors)
            self.errors.append(error)
        return known

    def parts(self, error: BaseException) -> ExceptionParts:
        kind = type(error)
        pool = Pool(self)
        text = self.text(str, error)
        return ExceptionParts(
            kind=kind.__name__,
            module=str(kind.__module__),
            text=text,
            kinds=[self.pickled_class(base) for base in kind.__mro__[:-1]],
            own=self.own(error, text),
            args=[pool.place(value) for value in BaseException.args.__get__(error)],  # type: ignore[attr-defined]
            group=[pool.place(value) for value in group_of(error)],
            members={name: pool.place(value) for name, value in members_of(error)},
            state={name: pool.place(value) for name, value in state_of(error)},
            values=[vars(value) for value in pool.values],
            frames=frames_of(error.__traceback__),
            cause=self.number(error.__cause__),
            context=self.number(error.__context__),
            suppressed=error.__suppress_context__,
        )

    def pickled(self, value: Any) -> bytes:
        file = Bounded(self.room)
        self.deadline.call(ReferringPickler(file, self.number).dump, value)
        self.room -= file.tell()
        return file.getvalue()

    def pickled_class(self, kind: type) -> bytes:
        try:
            return self.pickled(kind)
        except BaseException:
            return b""

    def own(self, error: BaseException, text: str) -> bytes:
        """What the class's own way to pickle gives, if it has one and gives this exception back."""
        if not pickles_itself(type(error)):
            return b""
        try:
            data = self.pickled(self.deadline.call(reduced, error))
            again = self.deadline.call(made_by_itself, data, self.errors.__getitem__)
            works = type(again) is type(error) and self.text(str, again) == text
            return data if works else b""
        except BaseException:
            return b""

    def value(self, value: Any) -> Value:
        try:
            return Value(self.pickled(value))
        except TooLarge as error:
            if type(value) in (str, bytes) and len(value) > MOST_CHARACTERS:
                return self.value(shortened(value))
            shown = f"<{type(value).__name__}, {error}>"  # to write it out might take as much again
            return Value(b"", shown, shown, str(error))
        except BaseException as error:
            why = f"{type(error).__name__}: {self.text(str, error)}"
            return Value(b"", self.text(str, value), self.text(repr, value), why)

    def text(self, show: Callable[[Any], str], value: Any) -> str:
        try:
            return str(shortened(self.deadline.call(show, value)))
        except BaseException as broken:
            return f"(its __{show.__name__}__ raised {type(broken).__name__})"


@dataclass
class Pool:
    """The values of one exception; what is both an argument and an attribute travels once."""

    apart: Apart
    values: list[Value] = field(default_factory=list)
    places: dict[int, int] = field(default_factory=dict)
    alive: list[Any] = field(default_factory=list)

    def place(self, value: Any) -> int:
        place = self.places.get(id(value))
        if place is None:
            place = self.places[id(value)] = len(self.values)
            self.alive.append(value)
            self.values.append(self.apart.value(value))
        return place


def in_words(error: BaseException) -> str:
    """One line for people, whatever its class does when it is asked."""
    text = Apart().text(str, error).partition("\n")[0]
    return f"{type(error).__name__}: {text[:LINE_CHARACTERS]}".removesuffix(": ")


def group_of(error: BaseException) -> tuple[Any, ...]:
    return (error.message, list(error.exceptions)) if isinstance(error, BaseExceptionGroup) else ()


def members_of(error: BaseException) -> Iterator[tuple[str, Any]]:
    """What lies in slots: those of Python's classes, and the fields of built-in ones."""
    for kind in type(error).__mro__:
        if kind in (BaseException, BaseExceptionGroup):
            return
        for name, descriptor in vars(kind).items():
            if isinstance(descriptor, DESCRIPTORS) and name not in LEFT_BEHIND:
                try:
                    yield name, descriptor.__get__(error, type(error))
                except Exception:
                    continue  # a slot that was never filled


def state_of(error: BaseException) -> list[tuple[str, Any]]:
    try:
        return [pair for pair in list(error.__dict__.items()) if type(pair[0]) is str]
    except Exception:
        return []


def pickles_itself(kind: type) -> bool:
    """Whether somebody has said how to pickle it; by default Python does."""
    return registered(kind) is not None or any(
        base.__flags__ & HEAP_TYPE and not OWN_PICKLING.isdisjoint(vars(base))
        for base in kind.__mro__
    )


def registered(kind: type) -> Callable[[Any], Any] | None:
    """What ``copyreg`` has for it; tblib registers one way for all, which follows chains."""
    reduce = copyreg.dispatch_table.get(kind)
    return None if str(getattr(reduce, "__module__", "")).startswith("tblib") else reduce


def reduced(error: BaseException) -> Any:
    reduce = registered(type(error))
    return reduce(error) if reduce is not None else error.__reduce_ex__(4)


def made_by_itself(data: bytes, exception: Callable[[int], BaseException]) -> Any:
    make, arguments, *rest = loads(data, exception)
    error = make(*arguments)
    if rest and rest[0] is not None:
        error.__setstate__(rest[0])  # exceptions have one
    return error


class ReferringUnpickler(pickle.Unpickler):
    """Finds the exceptions that stand in a pickle as numbers."""

    def __init__(self, file: io.BytesIO, exception: Callable[[int], Any]) -> None:
        super().__init__(file)
        self.exception = exception

    def persistent_load(self, number: int) -> Any:
        return self.exception(number)


def loads(data: bytes, exception: Callable[[int], Any]) -> Any:
    return ReferringUnpickler(io.BytesIO(data), exception).load()


def shortened(text: Any) -> Any:
    """The beginning of a text or of bytes, and how much more there was."""
    more = len(text) - MOST_CHARACTERS
    if more <= 0:
        return text
    rest = f"… ({more} more characters)"
    return text[:MOST_CHARACTERS] + (rest if isinstance(text, str) else rest.encode())
