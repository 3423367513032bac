"""An error on its way to the client: packed where it happened, raised where it is waited for."""

from __future__ import annotations

import pickle
import sys
import traceback
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from types import CodeType, TracebackType
from typing import Any

import cloudpickle
import msgpack

from dask_serverless.errors import (
    BundleLost,
    ExceptionNotPicklable,
    TaskExited,
)

OURS = "dask_serverless"
NO_COLUMNS = 0x80 | 13 << 3  # an entry of a code object's table of lines (CPython 3.11 and later)


LONGEST_CHAIN = 16  # exceptions that led to one another


@dataclass(frozen=True)
class Raised:
    """One exception; plain pickle would lose its traceback and what it came from."""

    exception: bytes  # pickled, or empty if it does not pickle
    kind: str
    text: str
    frames: list[tuple[str, int, str]]  # (file, line, function) of the user's side
    cause: bool  # whether the next one of the chain is its cause, or what was handled meanwhile


@dataclass(frozen=True)
class Failure:
    """What happened in a container, in a form that any version can read."""

    task: int  # -1: not in one task
    function: str
    chain: list[dict[str, Any]]  # of Raised: what arrived, what it came from, …
    container: str
    bundle: int

    def pack(self) -> bytes:
        return bytes(msgpack.packb(["raised", asdict(self)], unicode_errors="surrogatepass"))


def pack_failure(
    error: BaseException, *, task: int, function: str, container: str, bundle: int
) -> bytes:
    """Pack an error of a task, or of what was to be done for it."""
    if isinstance(error, SystemExit | KeyboardInterrupt | GeneratorExit):
        error = _as_exit(error, function)
    return Failure(
        task=task,
        function=function,
        chain=[asdict(raised) for raised in _chain(error)],
        container=container,
        bundle=bundle,
    ).pack()


def _chain(error: BaseException | None) -> Iterator[Raised]:
    for _ in range(LONGEST_CHAIN):
        if error is None:
            return
        yield Raised(
            exception=_pickled(error),
            kind=type(error).__name__,
            text=_shown(error),
            frames=_frames(error.__traceback__),
            cause=error.__cause__ is not None,
        )
        hidden = None if error.__suppress_context__ else error.__context__
        error = error.__cause__ or hidden


def _as_exit(error: BaseException, function: str) -> TaskExited:
    shown = f"{type(error).__name__}({', '.join(map(repr, error.args))})"
    return TaskExited(function, shown).with_traceback(error.__traceback__)


def _pickled(error: BaseException) -> bytes:
    try:
        data: bytes = cloudpickle.dumps(error)
        # Exceptions with arguments of their own often pickle, but do not unpickle.
        loaded = pickle.loads(data)
        return data if type(loaded).__name__ == type(error).__name__ else b""
    except BaseException:
        return b""


def _shown(error: BaseException) -> str:
    try:
        return str(error)
    except BaseException as broken:
        return f"(its __str__ raised {type(broken).__name__})"


def _frames(tb: TracebackType | None) -> list[tuple[str, int, str]]:
    frames = [
        (frame.f_code.co_filename, line, frame.f_code.co_name)
        for frame, line in traceback.walk_tb(tb)
        if not frame.f_globals.get("__name__", "").startswith(OURS)
    ]
    return frames


def unpack_failure(data: bytes, label: Any) -> BaseException:
    """The exception to raise at the client. ``label`` turns a task's number into its key."""
    what, *details = msgpack.unpackb(data, unicode_errors="surrogatepass")
    if what == "lost":
        bundle, tries, why = details
        return BundleLost(bundle, tries, why)
    failure = Failure(**details[0])
    error = _unchained([Raised(**raised) for raised in failure.chain])
    key = label(failure.task) if failure.task >= 0 else None
    where = f"while running {failure.function} for the key {key!r} in container {failure.container}"
    if failure.task >= 0:
        _note(error, where)
    return error


def _unchained(chain: list[Raised]) -> BaseException:
    errors = [_exception(raised).with_traceback(rebuilt(raised.frames)) for raised in chain]
    for raised, error, origin in zip(chain, errors, errors[1:], strict=False):
        if raised.cause:
            error.__cause__ = origin
        else:
            error.__context__ = origin
    return errors[0]


def _note(error: BaseException, note: str) -> None:
    try:
        error.add_note(note)
    except Exception:  # an exception class may forbid attributes; its message is worth more
        pass


def _exception(raised: Raised) -> BaseException:
    if raised.exception:
        try:
            error = pickle.loads(raised.exception)
            if isinstance(error, BaseException):
                return error
        except Exception:
            pass  # its class is not importable here
    return ExceptionNotPicklable(raised.kind, raised.text)


def rebuilt(frames: list[tuple[str, int, str]]) -> TracebackType | None:
    """A traceback that shows the frames of another process, with their lines of source."""
    tb: TracebackType | None = None
    for file, line, name in reversed(frames):
        frame = _frame(file, line, name)
        tb = TracebackType(tb, frame, frame.f_lasti, line)
    return tb


def _frame(file: str, line: int, name: str) -> Any:
    """A frame all of whose instructions are in that line of that file, in no column: else the
    columns of this stand-in would be underlined in the user's line.
    """
    code: CodeType = compile("frame = getframe()", file, "exec")
    units = len(code.co_code) // 2
    lines = [bytes([NO_COLUMNS | min(8, units - i) - 1, 0]) for i in range(0, units, 8)]
    code = code.replace(
        co_name=name, co_qualname=name, co_firstlineno=line, co_linetable=b"".join(lines)
    )
    scope: dict[str, Any] = {"getframe": sys._getframe, "__name__": name, "__file__": file}
    exec(code, scope)
    return scope["frame"]
