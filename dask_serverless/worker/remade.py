"""Exceptions out of their parts: at the client, what ``exceptions.py`` took apart in a container.

Nothing of a user's class runs to make one, so its ``__init__`` may take what it likes: the object
comes from the built-in class below it, then gets its arguments and attributes.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from dask_serverless.errors import ExceptionNotPicklable
from dask_serverless.worker.exceptions import (
    DESCRIPTORS,
    HEAP_TYPE,
    ExceptionParts,
    Value,
    loads,
    made_by_itself,
)
from dask_serverless.worker.tracebacks import rebuilt


class NotSent:
    """Stands where something was that could not travel, and looks like it."""

    def __init__(self, shown: str, represented: str) -> None:
        self.shown = shown
        self.represented = represented

    def __str__(self) -> str:
        return self.shown

    def __repr__(self) -> str:
        return self.represented


@dataclass
class Remade:
    """Puts the exceptions of one failure together."""

    exceptions: list[ExceptionParts]
    errors: dict[int, BaseException] = field(default_factory=dict)
    lost: dict[int, list[str]] = field(default_factory=dict)  # number → what does not arrive
    making: set[int] = field(default_factory=set)

    def first(self) -> BaseException:
        for number in reversed(range(len(self.exceptions))):  # what a group holds comes before it
            self.error(number)
        for number, parts in enumerate(self.exceptions):
            self.join(self.errors[number], parts)
        for number, losses in self.lost.items():
            said = self.exceptions[number].text
            note(
                self.errors[number],
                f"lost on the way from the container: {'; '.join(losses)} (it said: {said})",
            )
        return self.errors[0]

    def error(self, number: int) -> Any:
        """The exception with a number, as far as it is made."""
        if number in self.errors:
            return self.errors[number]
        if not 0 <= number < len(self.exceptions) or number in self.making:
            return NotSent("(an exception)", "(an exception)")
        self.making.add(number)
        parts = self.exceptions[number]
        error = self.by_itself(parts)
        if error is None:
            error = self.made(number, parts)
            self.errors[number] = error
            self.fill(number, error, parts)
        self.errors[number] = error
        return error

    def by_itself(self, parts: ExceptionParts) -> BaseException | None:
        if parts.own:
            with suppress(Exception):
                error = made_by_itself(parts.own, self.error)
                if isinstance(error, BaseException):
                    return error
        return None

    def made(self, number: int, parts: ExceptionParts) -> BaseException:
        """An object of its class, or of one that stands in for it, with nothing in it yet."""
        group = [self.value(number, parts, place, "the group") for place in parts.group]
        try:
            return bare(pickle.loads(parts.kinds[0]), group)
        except Exception as error:
            why = f"{type(error).__name__}: {error}" if parts.kinds[0] else "it does not pickle"
        self.lose(number, f"its class {parts.module}.{parts.kind} ({why})")
        bases = known(parts.kinds[1:])
        for some in (bases, bases[:1]):
            with suppress(Exception):
                return bare(stand_in(parts.kind, parts.module, parts.text, some), group)
        return ExceptionNotPicklable(parts.kind, parts.text)

    def fill(self, number: int, error: BaseException, parts: ExceptionParts) -> None:
        arguments = [
            self.value(number, parts, place, f"argument {position}")
            for position, place in enumerate(parts.args)
        ]
        BaseException.args.__set__(error, tuple(arguments))  # type: ignore[attr-defined]
        for name, place in parts.members.items():
            set_member(error, name, self.value(number, parts, place, f"attribute {name}"))
        state = {
            name: self.value(number, parts, place, f"attribute {name}")
            for name, place in parts.state.items()
        }
        with suppress(Exception):
            error.__dict__.update(state)

    def value(self, number: int, parts: ExceptionParts, place: int, what: str) -> Any:
        value = Value(**parts.values[place])
        if value.lost:
            self.lose(number, f"{what} ({value.lost})")
            return NotSent(value.shown, value.represented)
        try:
            return loads(value.pickled, self.error)
        except Exception as error:
            self.lose(number, f"{what} ({type(error).__name__}: {error})")
            shown = f"<does not unpickle: {error}>"
            return NotSent(shown, shown)

    def lose(self, number: int, what: str) -> None:
        parts = self.lost.setdefault(number, [])
        if what not in parts:
            parts.append(what)

    def join(self, error: BaseException, parts: ExceptionParts) -> None:
        """Give an exception its traceback and what it came from, past what its class forbids."""
        BaseException.with_traceback(error, rebuilt([tuple(f) for f in parts.frames]))  # type: ignore[misc]
        BaseException.__setattr__(error, "__cause__", self.errors.get(parts.cause))
        BaseException.__setattr__(error, "__context__", self.errors.get(parts.context))
        BaseException.__setattr__(error, "__suppress_context__", parts.suppressed)


def known(pickled: Iterable[bytes]) -> tuple[type, ...]:
    """Those of an exception's classes that are here and that no other one of them derives from."""
    kinds: list[type] = []
    for data in pickled:
        with suppress(Exception):
            kind = pickle.loads(data)
            if not any(issubclass(nearer, kind) for nearer in kinds):
                kinds.append(kind)
    return tuple(kinds)


def bare(kind: type, group: list[Any]) -> BaseException:
    """An object of a class, made by the built-in class below it."""
    base = kind
    while base.__flags__ & HEAP_TYPE and base.__base__ is not None:
        base = base.__base__
    error = base.__new__(kind, *group)
    assert isinstance(error, BaseException)
    return error


@lru_cache(maxsize=100)
def stand_in(name: str, module: str, text: str, bases: tuple[type, ...]) -> type:
    """A class for an exception whose own is not here: ``except`` with what it derives from works."""
    if all(issubclass(base, Exception) for base in bases):
        nearer = [base for base in bases if not issubclass(ExceptionNotPicklable, base)]
        bases = (*nearer, ExceptionNotPicklable)
    content = {"__module__": module, "kind": name, "text": text, "__str__": lambda error: text}
    return type(name, bases, content)


def set_member(error: BaseException, name: str, value: Any) -> None:
    for kind in type(error).__mro__:
        descriptor = vars(kind).get(name)
        if isinstance(descriptor, DESCRIPTORS):
            with suppress(Exception):
                if descriptor.__get__(error, kind) is value:  # None, or never filled
                    return
            with suppress(Exception):
                descriptor.__set__(error, value)
            return


def note(error: BaseException, text: str) -> None:
    with suppress(Exception):  # a class may forbid attributes; its message is worth more
        error.add_note(text)
