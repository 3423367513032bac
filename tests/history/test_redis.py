"""The history in a named store: what else may lie there, and what becomes of it."""

from __future__ import annotations

from typing import Any

import pytest
from histories import entries_of

from dask_serverless.errors import HistoryUnusable, StoreError
from dask_serverless.history.redis import KEYS, RedisArchive
from dask_serverless.store.link import Link

ENTRIES, ORDER, STATE = KEYS


@pytest.fixture
def archive(link: Link, store_url: str) -> RedisArchive:
    return RedisArchive(store_url)


def test_its_keys_are_its_own_and_stay(archive: RedisArchive, link: Link) -> None:
    archive.add(entries_of("a", "f"))
    keys = {key.decode() for key in link.call(("KEYS", "*"))[0]}
    assert keys == set(KEYS)
    assert all(key.startswith("ds:history:") for key in keys)
    assert {link.call(("TTL", key))[0] for key in KEYS} == {-1}


def test_a_look_leaves_nothing(archive: RedisArchive, link: Link) -> None:
    assert archive.load() == {}
    archive.forget(["function:f"])
    link.call(("DEL", STATE))
    assert archive.load() == {}
    assert link.call(("KEYS", "*")) == [[]]


def test_the_bytes_are_counted_right(archive: RedisArchive, link: Link) -> None:
    for number in range(5):
        archive.add(entries_of(str(number), "f", "g", samples=number))
    archive.forget(["function:g"])
    (content,) = link.call(("HGETALL", ENTRIES))
    counted = sum(map(len, content)) + 40 * len(content) // 2
    assert int(link.call(("HGET", STATE, "bytes"))[0]) == counted
    archive.forget(None)
    assert link.call(("HGET", STATE, "bytes"), ("EXISTS", ENTRIES, ORDER)) == [b"0", 0]


def test_only_what_changed_is_read_again(archive: RedisArchive, store_url: str) -> None:
    other = RedisArchive(store_url)
    other.add(entries_of("a", *[f"f{number}" for number in range(150)], samples=20))
    archive.load()
    assert archive.link is not None
    before = archive.link.bytes_received
    archive.load()
    other.add(entries_of("b", "f7"))
    archive.load()
    assert archive.link.bytes_received - before < 5_000


@pytest.mark.parametrize("change", ["forgets it", "writes it"])
def test_what_changes_while_it_is_read_is_read_right(
    archive: RedisArchive, store_url: str, change: str
) -> None:
    """The names of what has changed are read first, then the entries."""
    archive.add(entries_of("a", "f", "g"))
    reader = RedisArchive(store_url)
    ask, asked = reader.ask, []

    def disturbed(*commands: Any) -> Any:
        asked.append(commands)
        if len(asked) == 3:  # after the first, things were forgotten: it begins once more
            if change == "forgets it":
                archive.forget(["function:f"])
            else:
                archive.add(entries_of("b", "f"))
        return ask(*commands)

    reader.ask = disturbed  # type: ignore[method-assign]
    reader.load()
    assert asked[2][0][0] == "HMGET"
    assert {key: entry.calls for key, entry in reader.load().items()} == {
        key: entry.calls for key, entry in archive.load().items()
    }
    reader.add(entries_of("c", "f"))
    assert archive.load()["function:f"].calls == {"forgets it": 2, "writes it": 6}[change]
    reader.close()


def test_a_damaged_entry_is_replaced_by_the_next_measurement(
    archive: RedisArchive, link: Link
) -> None:
    archive.add(entries_of("a", "f", "g"))
    link.call(("HSET", ENTRIES, "function:f", "junk"))
    again = RedisArchive(archive.url)
    assert set(again.load()) == {"function:g"}
    again.add(entries_of("b", "f"))
    assert again.load()["function:f"].calls == 2


def test_a_history_from_the_future_is_left_to_the_future(archive: RedisArchive, link: Link) -> None:
    archive.add(entries_of("a", "f"))
    link.call(("HSET", STATE, "version", "99"))
    before = link.call(("HGETALL", ENTRIES))
    for use in (
        archive.load,
        lambda: archive.add(entries_of("b", "g")),
        lambda: archive.forget(["function:f"]),
    ):
        with pytest.raises(HistoryUnusable, match="version 99, but this reads 2.*--forget-all"):
            use()
    assert link.call(("HGETALL", ENTRIES)) == before
    archive.forget(None)
    archive.add(entries_of("b", "g"))
    assert set(archive.load()) == {"function:g"}


def test_somebody_elses_keys_are_an_error(archive: RedisArchive, link: Link) -> None:
    link.call(("SET", ENTRIES, "mine"), ("SET", ORDER, "mine"))
    with pytest.raises(StoreError, match="WRONGTYPE"):
        archive.add(entries_of("a", "f"))


def test_a_flushed_store_is_learnt_anew(archive: RedisArchive, link: Link) -> None:
    archive.add(entries_of("a", "f", "g"))
    link.call(("FLUSHALL",))
    archive.add(entries_of("b", "f"))
    assert {key: entry.calls for key, entry in archive.load().items()} == {"function:f": 2}


def test_a_call_whose_reply_was_lost_counts_once(archive: RedisArchive) -> None:
    """The link sends it once more over a new connection."""
    archive.add(entries_of("a", "f"))
    assert archive.link is not None
    send = archive.link.call
    archive.link.call = lambda *commands: (send(*commands), send(*commands))[1]  # type: ignore[method-assign]
    archive.add(entries_of("b", "f"))
    assert archive.load()["function:f"].calls == 4
