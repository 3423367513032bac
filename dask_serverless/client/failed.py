"""What a task raised, past our own frames, into the caller's."""

from __future__ import annotations

import sys
from typing import NoReturn

from dask_serverless.worker.told import Used

MOST_ERROR_CHARACTERS = 20_000
MOST_LINE_CHARACTERS = 200


class Failed(Exception):
    """Carries what a task raised past our own frames, which say nothing about it."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


def in_words(error: BaseException | None) -> str:
    """What ended a run. User code made it: to put it into words may fail."""
    if isinstance(error, Failed):
        error = error.error
    if error is None:
        return ""
    try:
        text = f"{type(error).__name__}: {error}".removesuffix(": ")  # Ctrl-C has no words
    except Exception:
        text = type(error).__name__
    return text[:MOST_ERROR_CHARACTERS].encode(errors="replace").decode()


def first_line(error: str) -> str:
    """For one line of ours; a terminal may know no letters but those of ASCII."""
    line = error.partition("\n")[0]
    return line if len(line) <= MOST_LINE_CHARACTERS else line[: MOST_LINE_CHARACTERS - 3] + "..."


class RunFailed(Failed):
    """The same of a run that is over by it, with what its last container tells of itself."""

    def __init__(self, error: BaseException, container: str = "", used: Used | None = None) -> None:
        super().__init__(error)
        self.container = container
        self.used = used


def raise_here(error: BaseException) -> NoReturn:
    """Raise as if the task had run here: what the caller handles just now comes before all that
    the task handled, instead of replacing it.
    """
    handled = sys.exception()
    if handled is not None:
        first = _first(error)
        if first is not None:
            BaseException.__setattr__(first, "__context__", handled)
    context = error.__context__
    try:
        raise error
    finally:
        BaseException.__setattr__(error, "__context__", context)


def _first(error: BaseException) -> BaseException | None:
    """Where the chain of contexts begins; None if it goes round in circles."""
    seen = {id(error)}
    while error.__context__ is not None:
        error = error.__context__
        if id(error) in seen:
            return None
        seen.add(id(error))
    return error
