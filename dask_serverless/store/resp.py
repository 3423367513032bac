"""Commands as bytes (RESP): small ones in one piece, large arguments from where they lie."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import hiredis

Buffer = bytes | bytearray | memoryview
Argument = Buffer | str | int | float
Command = tuple[Argument, ...]

#: A larger argument is not copied, but handed to the kernel from where it lies.
LARGE_BYTES = 1 << 15


def buffers_of(commands: Sequence[Command]) -> list[Buffer]:
    """The buffers to send, in order: as few as possible."""
    buffers: list[Buffer] = []
    small: list[bytes] = []
    for command in commands:
        words: list[Any] = []
        add = words.append
        argument: Any
        for argument in command:
            kind = type(argument)
            if kind is str:
                add(argument)
            elif kind is bytes:
                if len(argument) > LARGE_BYTES:
                    break
                add(argument)
            elif kind is int:
                # hiredis would make the digits itself, and crash (a NULL pointer) where Ctrl-C
                # comes just then.
                add(b"%d" % argument)
            else:
                break
        else:
            small.append(hiredis.pack_command(tuple(words)))
            continue
        _write_apart(command, buffers, small)
    buffers.append(b"".join(small))
    return buffers


def _write_apart(command: Command, buffers: list[Buffer], small: list[bytes]) -> None:
    """Write a command with large arguments, or with what hiredis does not take."""
    small.append(b"*%d\r\n" % len(command))
    for argument in command:
        view = memoryview(encoded(argument)).cast("B")
        small.append(b"$%d\r\n" % view.nbytes)
        if view.nbytes > LARGE_BYTES:
            buffers += (b"".join(small), view)
            small.clear()
        else:
            small.append(view.tobytes())
        small.append(b"\r\n")


def largest(commands: Sequence[Command]) -> tuple[Command, int]:
    """The command with the longest argument, and that argument's bytes."""
    sizes = [max(memoryview(encoded(a)).nbytes for a in command) for command in commands]
    nbytes = max(sizes)
    return commands[sizes.index(nbytes)], nbytes


def encoded(argument: Argument) -> Buffer:
    """One argument as the server gets it."""
    if isinstance(argument, str):
        return argument.encode()
    if isinstance(argument, int | float):
        return repr(argument).encode()
    return argument
