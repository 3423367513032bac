"""The history in a named store: merged by clients, each writing only over what it has read."""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import Collection, Sequence
from functools import cache
from typing import Any

from dask_serverless.errors import HistoryUnusable
from dask_serverless.history.archive import MOST_BYTES, VERSION, Archive
from dask_serverless.history.entry import Entries, Entry
from dask_serverless.store.address import parse
from dask_serverless.store.connect import open_link
from dask_serverless.store.link import Link
from dask_serverless.store.script import Script, script_of

# No TTL: what is measured once a month is what nobody remembers. One hash slot for all of them.
KEYS = tuple(f"ds:history:{{all}}:{name}" for name in ("entries", "order", "state"))
AT_ONCE = 200  # entries in one call: less than 1 MB, so that nobody's run waits for it
MOST_TRIES = 100  # of each try at least one client's succeeds


@cache
def script(name: str) -> Script:
    return script_of("dask_serverless.history", "state", name)


class RedisArchive(Archive):
    """Keeps a copy of what it has read, and asks only for what has changed since."""

    def __init__(self, url: str, most_bytes: int = MOST_BYTES) -> None:
        self.url = url
        self.shown = parse(url).shown
        self.most_bytes = most_bytes
        self.link: Link | None = None
        self.generation = ""
        self.change = 0  # the last one that was read
        self.entries: dict[str, tuple[int, Entry | None]] = {}  # in their order; None: damaged

    def load(self) -> Entries:
        while self.load_some() == AT_ONCE:
            pass
        return {key: entry for key, (_, entry) in self.entries.items() if entry is not None}

    def add(self, additions: Entries) -> None:
        left = dict(additions)
        for attempt in range(MOST_TRIES):
            self.load()
            for some in batches(list(left), AT_ONCE):
                for done in set(some).difference(self.write(some, left)):
                    del left[done]
            if not left:
                self.load()
                return
            time.sleep(random.uniform(0, 0.002 * min(attempt, 10)))
        raise HistoryUnusable(self.shown, "is written by too many clients at once")

    def forget(self, keys: Collection[str] | None) -> None:
        wanted: Sequence[str] = () if keys is None else list(keys)
        if keys is None:
            self.call("forget", self.new_generation())
        for some in batches(wanted, AT_ONCE):
            self.call("forget", self.new_generation(), *some)

    def close(self) -> None:
        if self.link is not None:
            self.link.close()
            self.link = None

    def load_some(self) -> int:
        """Read the next entries that have changed; how many there were."""
        generation, first, found = self.call(
            "load", self.new_generation(), self.generation, self.change, AT_ONCE
        )
        if generation.decode() != self.generation:  # things were forgotten: from the start
            self.generation, self.change = generation.decode(), 0
            self.entries = {}
        for name, change, packed in zip(found[::3], found[1::3], found[2::3], strict=True):
            self.keep(name.decode("utf-8", "replace"), int(change), packed)
        self.drop(before=float(first or "inf"))
        return len(found) // 3

    def keep(self, key: str, change: int, packed: bytes) -> None:
        try:
            entry = Entry.unpack(packed)
        except ValueError:  # somebody else's doing; the next measurement replaces it
            entry = None
        self.entries.pop(key, None)
        self.entries[key] = (change, entry)
        self.change = change

    def drop(self, before: float) -> None:
        """Entries go from the store in the order of their changes; so they do here."""
        for key, (change, _) in list(self.entries.items()):
            if change >= before:
                break
            del self.entries[key]

    def write(self, keys: Sequence[str], additions: Entries) -> set[str]:
        """Which of them somebody else has written since they were read."""
        told: list[Any] = []
        for key in keys:
            change, before = self.entries.get(key, (0, None))
            entry = before.merge(additions[key]) if before else additions[key]
            told += [key, change, entry.pack()]
        (again,) = self.call(
            "record", self.new_generation(), self.generation, self.most_bytes, *told
        )
        return {name.decode("utf-8", "replace") for name in again}

    def call(self, name: str, *arguments: Any) -> list[Any]:
        if self.link is None:
            self.link = open_link(self.url)
        told = [text if isinstance(text, bytes) else str(text).encode() for text in arguments]
        command = self.link.script(script(name), KEYS, [str(VERSION), *told])
        (reply,) = self.link.call(command)
        if reply[0] == b"version":
            version = reply[1].decode("utf-8", "replace")
            raise HistoryUnusable(self.shown, f"has version {version}, but this reads {VERSION}")
        return list(reply[1:])

    @staticmethod
    def new_generation() -> str:
        return secrets.token_hex(8)


def batches(names: Sequence[str], size: int) -> list[Sequence[str]]:
    return [names[begin : begin + size] for begin in range(0, len(names), size)]
