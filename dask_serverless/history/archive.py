"""Where entries are kept between runs: the interface, its bound, and its in-memory twin."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection

from dask_serverless.history.entry import Entries, merged

VERSION = 2  # of what is kept; a reader refuses any other
MOST_BYTES = 16 << 20  # of all entries together, as they are packed
ENTRY_BYTES = 40  # that an entry takes beside its name and its content


class Archive(ABC):
    """Entries by key, least recently recorded first; several processes may use one at a time.

    All of it raises HistoryUnusable, or an error of the store, where it cannot be done.
    """

    shown = "memory"  # where it is, for people

    @abstractmethod
    def load(self) -> Entries:
        """All entries; what was loaded before and has not changed is not read again."""

    @abstractmethod
    def add(self, additions: Entries) -> None:
        """Merge these into what is kept, losing nothing that others add meanwhile."""

    @abstractmethod
    def forget(self, keys: Collection[str] | None) -> None:
        """Remove these entries, or all, also those that cannot be read."""

    def close(self) -> None:  # noqa: B027 (most have nothing to let go of)
        """Let go of connections; the next call makes new ones."""


class MemoryArchive(Archive):
    """Keeps entries for this process only."""

    def __init__(self, entries: Entries | None = None, most_bytes: int = MOST_BYTES) -> None:
        self.entries: Entries = dict(entries or {})
        self.most_bytes = most_bytes

    def load(self) -> Entries:
        return dict(self.entries)

    def add(self, additions: Entries) -> None:
        for key, entry in merged(self.entries, additions).items():
            self.entries.pop(key, None)
            self.entries[key] = entry
        sizes = {key: size_of(key, entry.pack()) for key, entry in self.entries.items()}
        for key in too_many(sizes, self.most_bytes):
            del self.entries[key]

    def forget(self, keys: Collection[str] | None) -> None:
        for key in list(self.entries) if keys is None else keys:
            self.entries.pop(key, None)


def size_of(key: str, packed: bytes) -> int:
    return len(key.encode("utf-8", "replace")) + len(packed) + ENTRY_BYTES


def too_many(sizes: dict[str, int], most_bytes: int) -> list[str]:
    """The first of these, which go where there is no room for all."""
    excess = sum(sizes.values()) - most_bytes
    gone = []
    for key, size in sizes.items():
        if excess <= 0:
            break
        gone.append(key)
        excess -= size
    return gone
