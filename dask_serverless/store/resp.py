"""Commands as bytes (RESP): small ones in one piece, large arguments from where they lie."""

from __future__ import annotations

from collections.abc import Sequence

import hiredis

Buffer = bytes | bytearray | memoryview
Argument = Buffer | str | int | float
Command = tuple[Argument, ...]

#: A larger argument is not copied, but handed to the kernel from where it lies.
LARGE_BYTES = 1 << 15


def pack(commands: Sequence[Command]) -> list[Buffer]:
    """The buffers to send, in order: as few as possible."""
    buffers: list[Buffer] = []
    small: list[bytes] = []
    for command in commands:
        for argument in command:
            kind = type(argument)
            if kind is bytes:
                if len(argument) > LARGE_BYTES:  # type: ignore[arg-type]
                    break
            elif kind is memoryview or kind is bytearray:
                break
        else:
            small.append(hiredis.pack_command(command))  # type: ignore[arg-type]
            continue
        _pack_apart(command, buffers, small)
    buffers.append(b"".join(small))
    return buffers


def _pack_apart(command: Command, buffers: list[Buffer], small: list[bytes]) -> None:
    """Pack a command with large arguments, or with views, which hiredis does not take."""
    small.append(b"*%d\r\n" % len(command))
    for argument in command:
        view = memoryview(_encoded(argument)).cast("B")
        small.append(b"$%d\r\n" % view.nbytes)
        if view.nbytes > LARGE_BYTES:
            buffers += (b"".join(small), view)
            small.clear()
        else:
            small.append(view.tobytes())
        small.append(b"\r\n")


def _encoded(argument: Argument) -> Buffer:
    if isinstance(argument, str):
        return argument.encode()
    if isinstance(argument, int | float):
        return repr(argument).encode()
    return argument
