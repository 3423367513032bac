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
from dask_serverless.store.resp import Command
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
        """Read the next entries that have changed; how many there were.

        By plain commands, so that a user can who may only read. What another client changes between
        them is read once more, since it has a number that is not known then.
        """
        entries, order, state = KEYS
        (version, generation), changed, first = self.ask(
            ("HMGET", state, "version", "generation"),
            ("ZRANGEBYSCORE", order, f"({self.change}", "+inf", "WITHSCORES", "LIMIT", 0, AT_ONCE),
            ("ZRANGE", order, 0, 0, "WITHSCORES"),
        )
        if version is not None:
            self.check(version)
        now = (generation or b"").decode("utf-8", "replace")
        if now != self.generation:  # things were forgotten: from the start
            self.generation, self.change, self.entries = now, 0, {}
            return self.load_some()
        names, changes = changed[::2], changed[1::2]
        (contents,) = self.ask(("HMGET", entries, *names)) if names else ((),)
        for name, change, packed in zip(names, changes, contents, strict=True):
            self.change = int(change)
            if packed is not None:  # else it is gone meanwhile
                self.keep(name.decode("utf-8", "replace"), packed)
        self.drop(before=float(first[1] if first else "inf"))
        return len(names)

    def keep(self, key: str, packed: bytes) -> None:
        try:
            entry = Entry.unpack(packed)
        except ValueError:  # somebody else's doing; the next measurement replaces it
            entry = None
        self.entries.pop(key, None)
        self.entries[key] = (self.change, entry)

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
        told = [text if isinstance(text, bytes) else str(text).encode() for text in arguments]
        command = self.connected().script(script(name), KEYS, [str(VERSION), *told])
        (reply,) = self.ask(command)
        if reply[0] == b"version":
            self.check(reply[1])
        return list(reply[1:])

    def ask(self, *commands: Command) -> list[Any]:
        return self.connected().call(*commands)

    def connected(self) -> Link:
        if self.link is None:
            self.link = open_link(self.url)
        return self.link

    def check(self, version: bytes) -> None:
        found = version.decode("utf-8", "replace")
        if found != str(VERSION):
            problem = f"has version {found}, but this reads {VERSION}"
            raise HistoryUnusable(self.shown, problem, HistoryUnusable.BEGIN_ANEW)

    @staticmethod
    def new_generation() -> str:
        return secrets.token_hex(8)


def batches(names: Sequence[str], size: int) -> list[Sequence[str]]:
    return [names[begin : begin + size] for begin in range(0, len(names), size)]
