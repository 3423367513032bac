"""Overheard: what comes out of a container's diverted descriptors, line by line, at the nursery.

It goes the way of what tasks print: through the pipe to the keeper, numbered, within an allowance. What
comes while nobody listens, as from a program that a task has left running, is shown as ever.
"""

from __future__ import annotations

import os
import select
import time
from collections.abc import Sequence
from contextlib import suppress

from dask_serverless.backends import words
from dask_serverless.backends.diverted import END_OF_LINE, voice_of
from dask_serverless.backends.pages import Page
from dask_serverless.backends.saying import Mouth
from dask_serverless.worker.allowance import LONGEST_CHARACTERS, Allowance, pieces
from dask_serverless.worker.said import ERR, NO_TASK, OUT, Said, Spoken

CHUNK_BYTES = 1 << 16
SHOWN = {OUT: 1, ERR: 2}


class Overheard:
    """Both descriptors of one container."""

    def __init__(self, name: str, page: Page, mouth: Mouth, files: Sequence[int]) -> None:
        self.name = name
        self.page: Page | None = page  # None: the container is gone, and a child of its writes
        self.mouth = mouth
        self.streams = dict(zip(files, (OUT, ERR), strict=True))
        self.voice = 0
        self.lines = 0  # of this voice
        self.dropped = False  # whether the last one was
        self.rests: dict[str, tuple[int, bytes]] = {}  # stream → whose line, and its beginning
        self.allowance = Allowance()

    def read(self, file: int) -> bool:
        """Whether there may be more some time."""
        page = self.page
        if page is None:
            return self.pass_on(file, None)
        page.read(True)
        try:
            return self.pass_on(file, page)
        finally:
            page.overhear(self.voice, self.lines, bool(self.rests) or self.dropped)
            page.read(False)

    def pass_on(self, file: int, page: Page | None) -> bool:
        try:
            data = os.read(file, CHUNK_BYTES)
        except BlockingIOError:
            return True
        except OSError:
            return False
        voice = page.voice if page is not None else 0
        if voice and page is not None:
            if voice != self.voice:
                self.voice, self.lines, self.dropped = voice, 0, False
                self.rests.clear()
                self.allowance = Allowance()
            self.take(self.streams[file], data, page)
        elif data:
            show(SHOWN[self.streams[file]], data)
        return bool(data)

    def take(self, stream: str, data: bytes, page: Page) -> None:
        task, begun = self.rests.pop(stream, (page.task, b""))
        *lines, rest = (begun + data).split(b"\n")
        for line in lines:
            bare = line.removesuffix(END_OF_LINE[:-1])
            if bare or bare == line:
                self.say(task, stream, bare, page)
            if bare != line:
                self.tell_dropped(page)
            task = page.task
        if len(rest) > LONGEST_CHARACTERS:  # no end in sight
            self.say(task, stream, rest, page)
        elif rest:
            self.rests[stream] = task, rest

    def say(self, task: int, stream: str, line: bytes, page: Page) -> None:
        for piece in pieces(line.decode(errors="replace")):
            allowed = self.allowance.take(len(piece))
            self.dropped = not (allowed and self.hand_over(task, stream, piece, page))
            self.lines += 1

    def tell_dropped(self, page: Page) -> None:
        """Else nobody would know of those after the last one."""
        if self.dropped:
            self.dropped = not self.hand_over(NO_TASK, OUT, None, page)

    def hand_over(self, task: int, stream: str, text: str | None, page: Page) -> bool:
        place = page.held().place
        if place is None:
            return False
        voice = voice_of(self.name, self.voice)
        said = Said(voice, self.lines, task, stream, text, time.time())
        return self.mouth.say(Spoken(place.store, place.run, said).pack())

    def finish(self) -> None:
        """The container is gone: what it wrote at last."""
        page = self.page
        if page is not None and page.voice:
            for file in list(self.streams):
                while readable(file) and self.read(file):
                    pass
            for stream, (task, rest) in list(self.rests.items()):
                self.say(task, stream, rest, page)
            self.tell_dropped(page)
        self.page = None


def readable(file: int) -> bool:
    probe = select.poll()
    probe.register(file, select.POLLIN)
    return bool(probe.poll(0))


def show(number: int, data: bytes) -> None:
    """As much as is taken at once: nobody here waits for a terminal that is held."""
    probe = select.poll()
    probe.register(number, select.POLLOUT)
    with suppress(OSError):
        for first in range(0, len(data), words.CHUNK_BYTES):
            if not probe.poll(0):
                return
            os.write(number, data[first : first + words.CHUNK_BYTES])
