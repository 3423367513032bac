"""Diverted: a container's descriptors 1 and 2, while somebody listens to its run.

What C code writes there, and programs that a task starts, goes into two pipes that the nursery reads:
whoever shared the container's interpreter could not, while a call into C holds it and the pipe is full.
The page says whose turn it is, and each turn ends when all that was written in it has been read.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import sys
import termios
import time
from collections.abc import Callable
from contextlib import suppress

from dask_serverless.backends.messages import Divert
from dask_serverless.backends.pages import Page
from dask_serverless.worker.said import NO_TASK, Spoke

STANDARD = (1, 2)
PATIENCE_SECONDS = 5.0  # of a task with a nursery that does not read; once, until it does
OPEN_SECONDS = 30.0  # until the nursery has answered: it may be importing libraries
LOOK_SECONDS = 50e-6
END_OF_LINE = b"\0\x03\n"  # written by us alone, where a line has no end of its own


class Diverted:
    """``tell`` sends a message to the nursery."""

    def __init__(self, name: str, page: Page, tell: Callable[[Divert], object]) -> None:
        self.name = name
        self.page = page
        self.tell = tell
        self.voice = 0  # how many runs were listened to so far
        self.writing: tuple[int, ...] = ()  # once there are pipes
        self.usual: tuple[int, ...] = ()  # where the two lead otherwise, while they are diverted
        self.heard = True  # whether the nursery has read in time
        self.able = os.path.isdir("/proc/self/fd")  # how the nursery gets hold of the pipes

    def begin(self) -> None:
        if self.usual or not self.able:
            return
        if not self.writing:
            self.able = self.open()
            if not self.able:
                return
        flush()
        try:
            self.usual = tuple(map(os.dup, STANDARD))
        except OSError:  # a task has closed one of them, as it may
            return
        self.voice += 1
        self.page.turn(NO_TASK)
        self.page.listen(self.voice)
        for number, writing in zip(STANDARD, self.writing, strict=True):
            os.dup2(writing, number)

    def open(self) -> bool:
        """Pipes, whose other ends the nursery has from then on."""
        try:
            pipes = [os.pipe() for _ in STANDARD]
        except OSError:  # too many files are open: then as without
            return False
        self.tell(Divert([reading for reading, _ in pipes]))
        there = awaited(lambda: self.page.diverted is not None, OPEN_SECONDS)
        for reading, _ in pipes:
            os.close(reading)
        self.writing = tuple(writing for _, writing in pipes)
        return there and self.page.diverted is True

    def turn(self, task: int) -> None:
        """What was written until now belongs to the task before."""
        if self.usual:
            self.settle()
            self.page.turn(task)

    def end(self) -> None:
        if not self.usual:
            return
        self.settle()
        for number, usual in zip(STANDARD, self.usual, strict=True):
            os.dup2(usual, number)
            os.close(usual)
        self.usual = ()
        self.page.listen(0)

    def told(self) -> Spoke:
        """So many lines of the two there were in this run, whose ends nobody waits for any more."""
        if not self.usual:
            return ()
        self.settle()
        if self.page.unended:
            for writing in self.writing:
                with suppress(OSError):
                    os.write(writing, END_OF_LINE)
            self.settle()
        lines = self.page.overheard(self.voice)
        return (voice_of(self.name, self.voice), lines) if lines else ()

    def settle(self) -> None:
        """Until the nursery has read it all; who has waited for it in vain looks only once."""
        flush()
        self.heard = self.read() or (self.heard and awaited(self.read, PATIENCE_SECONDS))

    def read(self) -> bool:
        """In this order: what is not in the pipes any more is being passed on, or has been."""
        return not any(map(unread, self.writing)) and not self.page.reading


def voice_of(name: str, voice: int) -> str:
    return f"{name}/{voice}-diverted"


def awaited(condition: Callable[[], bool], seconds: float) -> bool:
    """The nursery writes into a page, from which no event comes."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(LOOK_SECONDS)
    return True


def unread(pipe: int) -> bool:
    """Whether there are bytes in it."""
    try:
        return fcntl.ioctl(pipe, termios.FIONREAD, NOTHING) != NOTHING
    except OSError:  # a task has closed what it had not opened
        return False


NOTHING = bytes(4)


def flush() -> None:
    """What the two hold back themselves: Python's own buffers, and those of C."""
    for stream in (sys.__stdout__, sys.__stderr__):
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()  # type: ignore[union-attr]
    if C is not None:
        C.fflush(C_STDOUT)


def c_library() -> tuple[ctypes.CDLL | None, ctypes.c_void_p | None]:
    try:
        library = ctypes.CDLL(None)
        return library, ctypes.c_void_p.in_dll(library, "stdout")
    except (OSError, ValueError):  # a C library of another kind: its buffers go when they are full
        return None, None


C, C_STDOUT = c_library()
