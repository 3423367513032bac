"""The history in one file: written under a lock, replaced as a whole, so that readers need none."""

from __future__ import annotations

import fcntl
import os
import stat
import struct
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from zlib import crc32

import msgpack

from dask_serverless.errors import HistoryUnusable
from dask_serverless.history.archive import MOST_BYTES, VERSION, Archive, size_of, too_many
from dask_serverless.history.entry import Entries, Entry
from dask_serverless.store.patience import Patience

MAGIC = b"dask-serverless history\n"
HEADER = struct.Struct("<24sIQI")  # magic, version, bytes of the content, their checksum
LOCK_SECONDS = 5.0  # writing takes milliseconds; whoever holds it longer is stopped or stuck
MACOS = sys.platform == "darwin"

Packed = dict[str, bytes]  # least recently recorded first, as in the file


def default_path() -> str:
    """In the user's cache directory; raises HistoryUnusable where there is none."""
    folder = os.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(folder):  # as its specification has it
        home = os.path.expanduser("~")
        if not os.path.isabs(home):
            raise HistoryUnusable("the user's cache directory", "is not to be found: no HOME")
        folder = os.path.join(home, *(("Library", "Caches") if MACOS else (".cache",)))
    return os.path.join(folder, "dask-serverless", "history")


class FileArchive(Archive):
    """For one process at a time by its lock; the lock is a file of its own, which stays."""

    def __init__(self, path: str, most_bytes: int = MOST_BYTES, named: bool = True) -> None:
        self.named = named  # by a setting, so that it may be a file of any kind
        self.shown = path
        self.path = os.path.realpath(path)
        self.most_bytes = most_bytes
        self.read_from: tuple[int, ...] = ()  # the state of the file that was read last
        self.packed: Packed = {}
        self.entries: dict[str, tuple[bytes, Entry]] = {}

    def load(self) -> Entries:
        with self.problems():
            packed = self.read()
        self.entries = {
            key: found
            for key, data in packed.items()
            if (found := self.entry_of(key, data)) is not None
        }
        return {key: entry for key, (_, entry) in self.entries.items()}

    def add(self, additions: Entries) -> None:
        with self.problems(), self.locked():
            packed = dict(self.read())
            for key, addition in additions.items():
                before = packed.pop(key, None)
                found = self.entry_of(key, before) if before is not None else None
                entry = found[1].merge(addition) if found else addition
                packed[key] = entry.pack()
            self.write(packed)

    def forget(self, keys: Collection[str] | None) -> None:
        with self.problems():
            if not os.path.lexists(self.path):
                return
            with self.locked():
                if keys is None:
                    self.remove()
                else:
                    gone = set(keys)
                    self.write({k: data for k, data in self.read().items() if k not in gone})

    def remove(self) -> None:
        """Remove a history, damaged or not, but nothing that a mistyped setting points at."""
        self.check_kind()
        with open(self.path, "rb") as file:
            begin = file.read(len(MAGIC))
        if self.named and not removable(begin):
            raise HistoryUnusable(self.shown, "is no history, so it is not removed")
        os.unlink(self.path)

    def check_kind(self) -> None:
        """A pipe would be waited for, and a device may have no end."""
        if not stat.S_ISREG(os.stat(self.path).st_mode):
            raise HistoryUnusable(
                self.shown, "is a folder, a pipe, a socket or a device, and no history"
            )

    def entry_of(self, key: str, data: bytes) -> tuple[bytes, Entry] | None:
        known = self.entries.get(key)
        if known is not None and known[0] == data:
            return known
        with suppress(ValueError):
            return data, Entry.unpack(data)
        return None

    def read(self) -> Packed:
        """What the file holds now; a file that is not there holds nothing."""
        try:
            self.check_kind()
            with open(self.path, "rb") as file:
                state = state_of(os.fstat(file.fileno()))
                if state != self.read_from:
                    self.packed = self.checked(file.read())
                    self.read_from = state
        except FileNotFoundError:
            self.packed, self.read_from = {}, ()
        return self.packed

    def checked(self, content: bytes) -> Packed:
        if len(content) < HEADER.size or not content.startswith(MAGIC):
            remedy = (
                HistoryUnusable.BEGIN_ANEW
                if not self.named or removable(content[: len(MAGIC)])
                else ""
            )
            raise HistoryUnusable(self.shown, "is damaged, or no history at all", remedy)
        _, version, length, checksum = HEADER.unpack_from(content)
        if version != VERSION:
            problem = f"has version {version}, but this reads {VERSION}"
            raise HistoryUnusable(self.shown, problem, HistoryUnusable.BEGIN_ANEW)
        body = memoryview(content)[HEADER.size :]
        if len(body) != length or crc32(body) != checksum:
            raise HistoryUnusable(self.shown, "is damaged", HistoryUnusable.BEGIN_ANEW)
        return dict(msgpack.unpackb(body))

    def write(self, packed: Packed) -> None:
        """Replace the file; whoever reads it meanwhile reads the old one to its end."""
        sizes = {key: size_of(key, data) for key, data in packed.items()}
        for key in too_many(sizes, self.most_bytes):
            del packed[key]
        body = msgpack.packb(packed)
        new = f"{self.path}.new"  # a fixed name: what a killed process left is written over
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            with open(descriptor, "wb") as file:
                file.write(HEADER.pack(MAGIC, VERSION, len(body), crc32(body)))
                file.write(body)
                file.flush()
                state = state_of(os.fstat(descriptor))
            os.replace(new, self.path)
        except BaseException:
            with suppress(OSError):
                os.unlink(new)
            raise
        self.packed, self.read_from = packed, state

    @contextmanager
    def locked(self) -> Iterator[None]:
        os.makedirs(os.path.dirname(self.path), mode=0o700, exist_ok=True)
        lock = os.open(f"{self.path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            patience = Patience(LOCK_SECONDS)
            while not takes(lock):
                if not patience.pause():
                    raise HistoryUnusable(self.shown, "is locked by a process that does not go on")
            yield
        finally:
            os.close(lock)

    @contextmanager
    def problems(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            problem = f"cannot be read or written ({error.strerror or error})"
            raise HistoryUnusable(self.shown, problem) from None


def removable(begin: bytes) -> bool:
    """Whether a file that begins so was a history, or nothing at all."""
    return begin in (b"", MAGIC)


def takes(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def state_of(status: os.stat_result) -> tuple[int, ...]:
    """Differs once the file was replaced, even by one that was given the same number."""
    return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size
