"""A run's keys on a real server: they come and go together, and none is left."""

from __future__ import annotations

import re
from contextlib import suppress
from importlib.resources import files
from itertools import count

import pytest
from awaiting import eventually
from bundle_graphs import CHAIN, JOIN, Graph, names

from dask_serverless.coordination.base import LOST, OK, OVER
from dask_serverless.coordination.redis import RedisCoordination
from dask_serverless.coordination.untold import Dead
from dask_serverless.errors import StoreCommandFailed


@pytest.fixture
def on_redis(link, store_url):
    return RedisCoordination(link, "run", "epoch")


def test_close_leaves_no_key(on_redis, link):
    graph = Graph([[], [], [0, 1], [0], [2, 3]], slots=[0, 1, -1, 7, 7])
    on_redis.submit(graph.submission(blobs=[b"fconstant"]))
    on_redis.claim("c1", "k1", invited=True, header=True)
    on_redis.claim("c2", "k2")
    on_redis.sweep([Dead("c2", "killed")], 60)
    on_redis.publish("c1", graph.report(0, "k1", b"rsomewhere"), "k3")
    on_redis.close()
    assert link.call(("KEYS", "*")) == [[]]


def test_every_key_goes_by_itself_when_client_and_containers_die_together(on_redis, link):
    """At whatever moment: a key that was emptied must not come back without its expiry."""
    graph = Graph([[], [], [0, 1], [0], [2, 3], [4]], slots=[0, 1, -1, 7, 7, -1])
    calls = [
        lambda: on_redis.submit(graph.submission(blobs=[b"fconstant"])),
        lambda: on_redis.claim("c1", "k1", invited=True, header=True),
        lambda: on_redis.claim("c2", "k2"),
        lambda: on_redis.publish("c1", graph.report(0, "k1", b"rsomewhere"), ""),
        lambda: on_redis.tell(1, "k2", b"progress"),
        lambda: on_redis.sweep([Dead("c2", "killed")], 60),
        lambda: on_redis.claim("c2", "k3"),
        lambda: on_redis.claim("c1", "k4"),
        lambda: on_redis.publish("c2", graph.report(3, "k3"), "", ()),
        lambda: on_redis.publish("c1", graph.report(1, "k4"), "k5"),
        lambda: on_redis.publish("c1", graph.report(2, "k5"), "k6"),
        lambda: on_redis.fail("c1", 4, "k6", b"error"),
        on_redis.withdraw,
    ]
    for call in calls:
        call()
        forever = [k for k in link.call(("KEYS", "*"))[0] if link.call(("TTL", k))[0] < 0]
        assert forever == []


def test_a_client_that_dies_while_it_submits_leaves_nothing_for_ever(on_redis, link):
    """A submission may be cut after each of its commands."""
    graph = Graph([[], [], [0, 1], [0]], slots=[0, 1, -1, 7])
    submission = graph.submission(blobs=[b"fconstant"], due=[0] * 4)
    commands = [on_redis.beginning(submission), *on_redis.content(submission)]
    for command in commands:
        link.call(command)
        forever = [k for k in link.call(("KEYS", "*"))[0] if link.call(("TTL", k))[0] < 0]
        assert forever == []


@pytest.mark.parametrize("lost", ["edges", "ready", "state", "spec", "leases", "working"])
def test_a_run_whose_keys_were_deleted_ends_with_an_error(on_redis, link, lost):
    """Nothing ready, nothing running, not done: it used to be waited for, for ever."""
    on_redis.submit(JOIN.submission(lease_ms=20, attempts=100))
    for number in range(2):
        on_redis.claim(f"c{number}", f"k{number}")
    on_redis.publish("c0", JOIN.report(0, "k0"), "")
    link.call(("DEL", f"ds:{{run}}:{lost}"))

    tokens = (f"t{number}" for number in count())

    def ended():
        token = next(tokens)
        with suppress(StoreCommandFailed):  # a script that misses what was deleted
            if assignment := on_redis.claim("c5", token).assignment:
                on_redis.publish("c5", JOIN.report(assignment.bundle, token), "")
            return on_redis.sweep((), 60).status == OVER

    assert eventually(ended)
    assert on_redis.sweep((), 60).why in ("failed", "done")


@pytest.mark.parametrize("lost", ["leases", "working", "slots", "queues", "free", "kept", "called"])
def test_a_run_with_slots_whose_keys_were_deleted_ends_with_an_error(on_redis, link, lost):
    graph = Graph([[], [], [0, 1], [0]], slots=[0, 1, 0, 7])
    on_redis.submit(graph.submission(lease_ms=20, attempts=100))
    on_redis.claim("c0", "k0", slot=0)
    assert on_redis.sweep((), 60).status == OK
    link.call(("DEL", f"ds:{{run}}:{lost}"))
    assert on_redis.sweep((), 60).why == "failed"


def test_every_key_of_a_swept_run_goes_by_itself_when_its_client_does_not_come_back(on_redis, link):
    graph = Graph([[], [], [0, 1], [0], [2, 3]], slots=[0, 1, -1, 7, 7])
    on_redis.submit(graph.submission(blobs=[b"fconstant"]))
    on_redis.claim("c1", "k1", invited=True, header=True)
    on_redis.claim("c2", "k2")
    on_redis.publish("c1", graph.report(0, "k1", b"rsomewhere"), "")
    on_redis.sweep((), 60)
    forever = [k for k in link.call(("KEYS", "*"))[0] if link.call(("TTL", k))[0] < 0]
    assert forever == []


def test_a_flushed_store_has_lost_the_run(on_redis, link):
    on_redis.submit(CHAIN.submission())
    on_redis.claim("c1", "k1")
    link.call(("FLUSHALL",))
    assert on_redis.publish("c1", CHAIN.report(0, "k1"), "k2").status == LOST
    assert on_redis.sweep((), 60).status == LOST


def test_scripts_come_back_after_they_were_flushed(on_redis, link):
    on_redis.submit(CHAIN.submission())
    on_redis.claim("c1", "k1")
    link.call(("SCRIPT", "FLUSH"))
    assert names(on_redis.publish("c1", CHAIN.report(0, "k1"), "k2").assignment) == 1


def test_a_blob_that_the_store_refused_is_not_announced(on_redis, link):
    """A full store refuses the blob, but not the publish behind it in the same pipeline."""
    on_redis.submit(CHAIN.submission())
    on_redis.claim("c1", "k1")
    link.call(("SET", "list", "x"))
    refused = [("SET", "ds:blob:x:0", "value", "NX", "XX")]
    with pytest.raises(Exception, match="ERR|syntax"):
        on_redis.publish("c1", CHAIN.report(0, "k1", b"r1 ds:blob:x"), "k2", refused)
    assert on_redis.sweep((), 60).done == 0


def test_all_keys_of_a_run_share_a_hash_slot(on_redis, link):
    graph = Graph([[], [0], [0]], slots=[0, 1, -1])
    on_redis.submit(graph.submission())
    on_redis.claim("c1", "k1")
    on_redis.publish("c1", graph.report(0, "k1"), "")
    keys = link.call(("KEYS", "*"))[0]
    assert len(keys) > 5
    assert all(key.startswith(b"ds:{run}:") for key in keys)


def test_every_key_that_scripts_use_is_in_their_list():
    folder = files("dask_serverless.coordination") / "lua"
    scripts = [path.read_text() for path in (*folder.iterdir(), *(folder / "shared").iterdir())
               if path.name.endswith(".lua")]  # fmt: skip
    listed = set(
        re.findall(r"^--   (\w+) +(?:string|hash|zset|set|stream) ", "".join(scripts), re.M)
    )
    used = set(re.findall(r"(?:key|words|first_word|entries)\('(\w+)'", "".join(scripts)))
    kept = re.findall(r"(\w+) = (?:HASH|SCORES|WORDS|SET)\b", "".join(scripts))
    named = set(
        re.findall(r"local NAMES = \{(.*)\}", "".join(scripts))[0].replace("'", "").split(", ")
    )
    larger = {f"{name}1" for name in re.findall(r"of_size\('(\w+)'", "".join(scripts))}
    assert used | named | set(kept) | larger | {"meta"} == listed
