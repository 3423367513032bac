"""Spares: files that a container has written, to be written anew once nobody has them any more.

What a large output costs in shared memory is its pages more than its bytes: the kernel finds them
one by one, and takes them back when the file goes. That is 0.56 ms a megabyte, against 0.1 ms into
pages that are there and mapped. So a container keeps its last files, under a second name in a
folder of its own.

A file is free when only that name is left and nobody maps it. Whoever maps a blob holds a shared
lock on it which ends with the mapping (``shared.locked``): while any value lies in it, perhaps the
client's result that its user keeps for hours, nobody gets the exclusive lock that writing takes.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import resource
import shutil
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import islice

from dask_serverless.blobs.frames import Frames
from dask_serverless.blobs.shared import in_folder

MOST_BYTES = 128 << 20  # of one container
MOST_FILES = 256  # likewise
PART_OF_FILES = 4  # of those that a process may have open: each that is mapped is one
MOST_LOOKS = 2  # at files of the right size: blobs go in the order in which they came, nearly
POPULATE_WRITE = 23  # Linux's advice: map all pages now, ready to be written
SLACK = 8  # by this part a file may be too long: of outputs of many sizes, some find one


class Spare:
    """One file."""

    def __init__(self, path: str, name: str, nbytes: int) -> None:
        self.path = path  # the container's own name for it
        self.name = name  # of the last blob in it
        self.nbytes = nbytes
        self.memory: mmap.mmap | None = None  # once it has been written anew

    @property
    def pages(self) -> int:
        return pages(self.nbytes)

    @property
    def mapped_bytes(self) -> int:
        return self.nbytes if self.memory is not None else 0

    def free(self) -> bool:
        """Whether its blob is deleted. A file that was cut off has lost its pages: to write there
        could be fatal.
        """
        try:
            found = os.stat(self.path)
        except FileNotFoundError:
            return False
        return found.st_nlink == 1 and found.st_size == self.nbytes

    def write(self, frames: Frames, nbytes: int, name: str) -> bool:
        """Under this name, too, unless somebody still has what it held."""
        if not self.free():
            return False
        with exclusive(self.path) as file:
            if file is None:
                return False
            memory = self.fit(file, nbytes)
            position = 0
            for frame in frames:
                view = memoryview(frame).cast("B")
                memory[position : position + view.nbytes] = view
                position += view.nbytes
            in_folder(name, lambda: os.link(self.path, name))
            self.name = name
        return True

    def fit(self, file: int, nbytes: int) -> mmap.mmap:
        """Its memory, when it has been cut to this length."""
        if self.memory is None:
            os.ftruncate(file, self.pages * mmap.PAGESIZE)
            self.memory = mmap.mmap(file, self.pages * mmap.PAGESIZE)
            with suppress(OSError):  # before Linux 5.14 each page is mapped when it is written
                self.memory.madvise(POPULATE_WRITE)
        os.ftruncate(file, nbytes)
        self.nbytes = nbytes
        return self.memory

    def drop(self) -> None:
        """A blob that is in it stays."""
        with suppress(OSError):
            os.unlink(self.path)
        if self.memory is not None:
            self.memory.close()


@contextmanager
def exclusive(path: str) -> Iterator[int | None]:
    """The file, locked while it is written; None if somebody maps it."""
    file = os.open(path, os.O_RDWR)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield None
            return
        try:
            yield file
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)  # our own mapping would keep it
    finally:
        os.close(file)


def same_run(name: str, other: str) -> bool:
    return os.path.dirname(name) == os.path.dirname(other)


def most_files() -> int:
    """Tasks open files of their own."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST_FILES if soft == resource.RLIM_INFINITY else min(MOST_FILES, soft // PART_OF_FILES)


def pages(nbytes: int) -> int:
    return -(-nbytes // mmap.PAGESIZE)


class Spares:
    """The files that one container has written last."""

    def __init__(self, folder: str, most_bytes: int = MOST_BYTES) -> None:
        self.folder = folder  # on the blobs' file system, and nobody else's
        self.most_bytes = most_bytes
        self.most_files = most_files()
        self.kept: OrderedDict[str, Spare] = OrderedDict()  # in the order of their last use
        self.by_pages: dict[int, OrderedDict[str, Spare]] = {}  # likewise
        self.nbytes = 0
        self.mapped_bytes = 0  # of them, as part of this process's memory
        self.count = 0
        self.changing = threading.Lock()  # what is overdue is stored by another thread

    def write(self, name: str, frames: Frames, nbytes: int) -> bool:
        """Whether there was a file for a blob of this name."""
        with self.changing:
            for spare in self.fitting(pages(nbytes)):
                self.remove(spare)
                try:
                    if spare.write(frames, nbytes, name):
                        return True
                except OSError:
                    continue  # to be written like the first one
                finally:
                    self.add(spare)  # as the last one: others are looked at sooner
        return False

    def fitting(self, least: int) -> list[Spare]:
        found: list[Spare] = []
        for count in range(least, least + least // SLACK + 1):
            if alike := self.by_pages.get(count):
                found += islice(alike.values(), MOST_LOOKS - len(found))
                if len(found) == MOST_LOOKS:
                    break
        return found

    def adopt(self, name: str, nbytes: int) -> None:
        """Keep a file that has been written under this name."""
        with self.changing:
            if not self.room(name, nbytes):
                return
            self.count += 1
            path = os.path.join(self.folder, str(self.count))
            with suppress(OSError):  # then it is a file like any other
                in_folder(path, lambda: os.link(name, path))
                self.add(Spare(path, name, nbytes))

    def room(self, name: str, nbytes: int) -> bool:
        """Make some, at the cost of other runs: one that writes more than may be kept would else
        drop each file a moment before it is free.
        """
        while len(self.kept) >= self.most_files or self.nbytes + nbytes > self.most_bytes:
            if not self.kept or same_run(next(iter(self.kept.values())).name, name):
                return False
            self.drop_one()
        return True

    def add(self, spare: Spare) -> None:
        self.kept[spare.path] = spare
        self.by_pages.setdefault(spare.pages, OrderedDict())[spare.path] = spare
        self.nbytes += spare.nbytes
        self.mapped_bytes += spare.mapped_bytes

    def remove(self, spare: Spare) -> None:
        del self.kept[spare.path]
        alike = self.by_pages[spare.pages]
        del alike[spare.path]
        if not alike:
            del self.by_pages[spare.pages]
        self.nbytes -= spare.nbytes
        self.mapped_bytes -= spare.mapped_bytes

    def drop_one(self) -> None:
        spare = next(iter(self.kept.values()))
        self.remove(spare)
        spare.drop()

    def drop(self) -> None:
        """All of them: pages go back to the system."""
        with self.changing:
            while self.kept:
                self.drop_one()
            shutil.rmtree(self.folder, ignore_errors=True)
