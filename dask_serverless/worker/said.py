"""Said: what a task has printed, line by line, on its way from its container to the client."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgpack

NO_TASK = -1
# In front of what goes through a pipe. No text has these bytes: a reader that comes in the middle of
# a line, after one that was killed there, finds the next by them.
MARK = b"\xfe\xfd\xfc\xfb"
LENGTH_BYTES = 2  # after that
OUT, ERR = "stdout", "stderr"


Spoke = tuple[Any, ...]  # a voice, how many lines it has had so far, and so on for further ones


class Said(NamedTuple):
    """One line. Numbers of a voice's lines run on: a gap tells what was dropped."""

    voice: (
        str  # a container's: it has another one when it comes back to a run that it had forgotten
    )
    number: int  # of this line, from 0
    task: int
    stream: str
    text: str | None  # None: no line, but so many there were by now
    at: float = 0.0  # seconds of the epoch, when it was whole; 0: not known


class Spoken(NamedTuple):
    """What a container hands to whoever passes it on."""

    store: str  # URL
    run: str
    said: Said

    def pack(self) -> bytes:
        packed = msgpack.packb(self, unicode_errors="surrogatepass")
        return MARK + len(packed).to_bytes(LENGTH_BYTES, "little") + bytes(packed)

    @staticmethod
    def unpack(data: bytes) -> Spoken:
        store, run, said = msgpack.unpackb(data, unicode_errors="surrogatepass")
        return Spoken(store, run, Said(*said))


def apart(data: bytes) -> tuple[list[Spoken], bytes]:
    """All that are whole, and the beginning of one that is not."""
    found, at = [], 0
    while (mark := data.find(MARK, at)) >= 0:
        begin = mark + len(MARK) + LENGTH_BYTES
        end = begin + int.from_bytes(data[mark + len(MARK) : begin], "little")
        if len(data) < begin or len(data) < end:
            break
        found.append(Spoken.unpack(data[begin:end]))
        at = end
    return found, data[at:]


def pack_batch(lines: Sequence[Said]) -> bytes:
    return bytes(msgpack.packb(lines, unicode_errors="surrogatepass"))


def unpack_batch(data: bytes) -> list[Said]:
    lines = [Said(*each) for each in msgpack.unpackb(data, unicode_errors="surrogatepass")]
    for line in lines:
        whole = isinstance(line.number, int) and isinstance(line.task, int)
        if not (whole and isinstance(line.at, float | int)):
            raise TypeError(f"{line} is no line of a task")
    return lines


def container_of(voice: str) -> str:
    return voice.rpartition("/")[0]
