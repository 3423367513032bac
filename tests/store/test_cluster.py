"""Links to a cluster of three masters."""

from __future__ import annotations

import pytest

from dask_serverless.errors import StoreCommandFailed
from dask_serverless.store.address import parse
from dask_serverless.store.cluster import ClusterLink
from dask_serverless.store.connect import open_link
from dask_serverless.store.hash_slots import command_hash_slot, hash_slot
from dask_serverless.store.link import Link
from dask_serverless.store.script import Script

COUNT = Script("return {redis.call('INCR', KEYS[1]), ARGV[1]}")


FIRST_NODE, LAST_NODE = range(5461), range(10923, 16384)


def key_of(slots: range, prefix: str) -> str:
    """Some key whose slot is one of these."""
    keys = (f"{prefix}:{number}" for number in range(10_000))
    return next(key for key in keys if hash_slot(key.encode()) in slots)


def test_a_plain_url_of_a_cluster_node_is_recognised(cluster_urls: list[str]) -> None:
    with open_link(cluster_urls[1]) as link:
        assert isinstance(link, ClusterLink)


def test_keys_of_all_nodes_in_one_batch_keep_their_order(cluster_urls: list[str]) -> None:
    keys = [f"blob:{number}" for number in range(50)]
    with open_link(cluster_urls[0].replace("redis:", "redis+cluster:")) as link:
        link.call(*[("SET", key, number) for number, key in enumerate(keys)])
        replies = link.call(*[("GET", key) for key in keys])
    assert replies == [str(number).encode() for number in range(50)]


def test_commands_over_many_keys_are_taken_apart(cluster_urls: list[str]) -> None:
    keys = [f"blob:{number}" for number in range(20)]
    with open_link(cluster_urls[0]) as link:
        link.call(*[("SET", key, key) for key in keys])
        values, missing, exist, deleted = link.call(
            ("MGET", *keys), ("MGET", "none"), ("EXISTS", *keys), ("UNLINK", *keys)
        )
    assert values == [key.encode() for key in keys]
    assert (missing, exist, deleted) == ([None], 20, 20)


def test_blobs_and_a_script_in_one_batch(cluster_urls: list[str]) -> None:
    with open_link(cluster_urls[0]) as link:
        blobs = [("SET", f"blob:{number}", b"x") for number in range(10)]
        replies = link.call(*blobs, link.script(COUNT, ["{run}:count"], ["yes"]))
    assert replies == [b"OK"] * 10 + [[1, b"yes"]]


def test_the_last_command_is_not_sent_when_one_before_it_failed(cluster_urls: list[str]) -> None:
    text, count = key_of(FIRST_NODE, "text"), key_of(LAST_NODE, "count")
    with open_link(cluster_urls[0]) as link:
        link.call(("SET", text, "text"))
        with pytest.raises(StoreCommandFailed, match="not an integer"):
            link.call(("INCR", text), ("SET", count, 1))
        assert link.call(("GET", count)) == [None]


def test_moved_slots_are_followed(cluster_urls: list[str]) -> None:
    key = key_of(FIRST_NODE, "moved")
    slot = command_hash_slot(("GET", key))
    with open_link(cluster_urls[0]) as link, Link(parse(cluster_urls[1])) as heir:
        link.call(("GET", key))  # it has learnt who owns what
        (name,) = heir.call(("CLUSTER", "MYID"))
        for url in cluster_urls:
            with Link(parse(url)) as node:
                node.call(("CLUSTER", "SETSLOT", slot, "NODE", name))
        assert link.call(("SET", key, 1), ("GET", key)) == [b"OK", b"1"]
        assert heir.call(("GET", key)) == [b"1"]


def test_a_slot_on_its_way_is_asked_for_at_its_new_owner(cluster_urls: list[str]) -> None:
    key = key_of(FIRST_NODE, "asked")
    slot = command_hash_slot(("GET", key))
    with (
        open_link(cluster_urls[0]) as link,
        Link(parse(cluster_urls[0])) as owner,
        Link(parse(cluster_urls[1])) as heir,
    ):
        (owner_name,), (heir_name,) = (
            owner.call(("CLUSTER", "MYID")),
            heir.call(("CLUSTER", "MYID")),
        )
        heir.call(("CLUSTER", "SETSLOT", slot, "IMPORTING", owner_name))
        owner.call(("CLUSTER", "SETSLOT", slot, "MIGRATING", heir_name))
        assert link.call(("SET", key, 1), ("GET", key)) == [b"OK", b"1"]
        assert heir.call(("ASKING",), ("GET", key)) == [b"OK", b"1"]


def test_what_is_posted_goes_to_the_owner_of_its_slot(cluster_urls: list[str]) -> None:
    counts = [key_of(FIRST_NODE, "posted"), key_of(LAST_NODE, "posted")]
    with open_link(cluster_urls[0]) as link:
        for _ in range(3):
            for count in counts:
                link.post(link.script(COUNT, [count], [""]))
        assert link.call(*[("GET", count) for count in counts]) == [b"3", b"3"]


def test_a_cluster_counts_its_traffic(cluster_urls: list[str]) -> None:
    with open_link(cluster_urls[0]) as link:
        link.call(("SET", "a", bytes(1000)), ("SET", "b", bytes(1000)))
        assert link.calls == 1
        assert link.bytes_sent > 2000
        assert link.bytes_received > 0


@pytest.mark.parametrize(
    ("key", "slot"),
    [(b"123456789", 0x31C3), (b"{run}:a", hash_slot(b"run")), (b"{}a", hash_slot(b"{}a"))],
)
def test_hash_slots_are_those_of_the_specification(key: bytes, slot: int) -> None:
    assert hash_slot(key) == slot


@pytest.mark.parametrize(
    ("command", "key"),
    [
        (("GET", "a"), b"a"),
        (("EVALSHA", "sha", 1, "a", "argument"), b"a"),
        (("EVALSHA", "sha", 0, "argument"), None),
        (("XREAD", "BLOCK", 10, "STREAMS", "a", "0"), b"a"),
        (("PING",), None),
        (("PUBLISH", "channel", "message"), None),
    ],
)
def test_the_key_that_decides_where_a_command_goes(command: tuple, key: bytes | None) -> None:
    assert command_hash_slot(command) == (None if key is None else hash_slot(key))
