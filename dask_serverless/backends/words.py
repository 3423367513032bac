"""What containers write to their standard error: shown as ever, and the last of it remembered.

A process that crashes in C says why there and nowhere else. The nursery stands in between: it
passes on what comes, and has the last lines at hand when it tells of the end.
"""

from __future__ import annotations

import os
import select
from contextlib import suppress

REMEMBERED_BYTES = 4096
REMEMBERED_LINES = 20
NOISE = (f"{os.sep}dask_serverless{os.sep}", "<frozen runpy>", "Extension modules: ")
CHUNK_BYTES = 4096  # what a pipe takes without blocking when it says that it can be written


class Words:
    """The reading end of one container's pipe. It may outlive the container: in its children."""

    def __init__(self, reading: int) -> None:
        os.set_blocking(reading, False)
        self.reading = reading
        self.tail = b""

    def read(self) -> bytes | None:
        """What has come: nothing yet, or None at the end."""
        try:
            data = os.read(self.reading, CHUNK_BYTES)
        except BlockingIOError:
            return b""
        self.tail = (self.tail + data)[-REMEMBERED_BYTES:]
        return data or None

    def last_lines(self) -> str:
        return last_lines(self.tail)


class Passage:
    """From the pipes, all watched by one poll, to where they are shown."""

    def __init__(self, poll: select.poll, shown: int = 2) -> None:
        self.poll = poll
        self.shown = shown
        self.open: dict[int, Words] = {}
        self.blocked = False  # the terminal is held, or nobody reads: then writers wait, as ever

    def __contains__(self, number: int) -> bool:
        return number in self.open or (self.blocked and number == self.shown)

    def add(self, words: Words) -> None:
        self.open[words.reading] = words
        if not self.blocked:
            self.poll.register(words.reading, select.POLLIN)

    def heard(self, number: int) -> None:
        """Something can be read there, or can be shown again."""
        if number == self.shown:
            self.block(False)
        elif not self.writable():
            self.block(True)
        else:
            self.pass_on(self.open[number])

    def finish(self, words: Words) -> None:
        """Its container is gone: pass on what it wrote at last."""
        while words.reading in self.open and self.writable() and self.pass_on(words):
            pass

    def pass_on(self, words: Words) -> bool:
        """Whether there may be more."""
        data = words.read()
        if data is None:
            self.close(words)
        elif data:
            with suppress(OSError):  # closed: nobody wants to see it
                os.write(self.shown, data)
        return bool(data)

    def close(self, words: Words) -> None:
        del self.open[words.reading]
        if not self.blocked:
            self.poll.unregister(words.reading)
        os.close(words.reading)

    def writable(self) -> bool:
        """Also where it is closed: then writing fails, and does not wait."""
        probe = select.poll()
        probe.register(self.shown, select.POLLOUT)
        return bool(probe.poll(0))

    def block(self, blocked: bool) -> None:
        """Wait for one side or for the other."""
        if blocked == self.blocked:
            return
        self.blocked = blocked
        for reading in self.open:
            if blocked:
                self.poll.unregister(reading)
            else:
                self.poll.register(reading, select.POLLIN)
        if blocked:
            self.poll.register(self.shown, select.POLLOUT)
        else:
            self.poll.unregister(self.shown)


def last_lines(data: bytes) -> str:
    lines = [line for line in data.decode(errors="replace").splitlines() if telling(line)]
    return "\n".join(lines[-REMEMBERED_LINES:])


def telling(line: str) -> bool:
    """A crash lists frames and modules, most of which are ours and say nothing of it."""
    return bool(line.strip()) and not any(part in line for part in NOISE)
