"""Somebody else writes to the store: nothing of it is unpickled, and the run says what was refused."""

from __future__ import annotations

import os

import msgpack
import numpy as np
import pytest
from attacked import SECRET, Attacked, Canary, flipped, later, strike

from dask_serverless.backends.own_in_store import OwnInStore, own_modules_at
from dask_serverless.blobs.frames import join
from dask_serverless.coordination.base import Assignment
from dask_serverless.errors import NotAuthentic
from dask_serverless.signing.secret import Secret
from dask_serverless.worker.bundle import front

FANNED = {"a": (int, 3), "b": (int, 4), "c": (sum, ["a", "b"])}
LARGE = np.arange(100_000)


@pytest.fixture
def canary(tmp_path):
    canary = Canary(tmp_path / "fired")
    yield canary
    assert not canary.fired


@pytest.fixture
def attacked(link, store_url):
    def open_run(graph=FANNED, keys="c", **options):
        return Attacked(link, store_url, graph, keys, **options)

    return open_run


@pytest.mark.parametrize("inline_bytes", [0, 16 << 10])
def test_a_run_that_nobody_touches_is_computed_and_leaves_nothing(attacked, link, inline_bytes):
    graph = {**FANNED, "d": (np.sum, LARGE), "e": (max, ["c", "d"])}
    run = attacked(graph, "e", inline_bytes=inline_bytes)
    run.work()
    assert run.result("e") == LARGE.sum()
    remains = run.client.close()
    run.blobs.delete(remains.references)
    assert link.call(("KEYS", "*")) == [[]]


def test_without_a_secret_nothing_is_signed(attacked):
    run = attacked(secret=None)
    assert type(run.client).__name__ == "RedisCoordination"
    run.work()
    assert run.result("c") == 7
    assert len(run.call("HGET", run.key("out"), run.task("c"))) < 40  # no room for a code


# Bundles


def spec_of(run, bundle):
    return run.call("HGET", run.key("spec"), bundle)


def put_spec(run, bundle, spec):
    run.call("HSET", run.key("spec"), bundle, spec)


def ended_with(run, what):
    """At the first container that looks: nobody tries again."""
    run.work()
    with pytest.raises(NotAuthentic, match=f"Refused: {what}") as caught:
        run.result("c")
    assert run.call("HLEN", run.key("losses")) <= 1  # the entry that keeps the key
    return caught.value


@pytest.mark.parametrize("position", [8, 20, -40, -1])
def test_a_bundle_with_a_flipped_bit(attacked, position):
    run = attacked()
    put_spec(run, 0, flipped(spec_of(run, 0), position))
    ended_with(run, "bundle 0")


def test_a_bundle_under_the_name_of_another(attacked):
    run = attacked()
    put_spec(run, 0, spec_of(run, 1))
    assert "was signed as 'bundle 1'" in str(ended_with(run, "bundle 0"))


def test_a_bundle_of_an_earlier_run_of_the_same_client(attacked):
    before = attacked(run="before")
    run = attacked()
    put_spec(run, 0, spec_of(before, 0))
    ended_with(run, "bundle 0")


def test_a_bundle_signed_with_another_secret(attacked):
    other = Secret("a secret that is not ours").signatures("run", "epoch")
    run = attacked()
    put_spec(run, 0, other.signed("bundle", 0, spec_of(run, 0)))
    ended_with(run, "bundle 0")


def test_an_unsigned_pickle_for_a_bundle(attacked, canary):
    run = attacked()
    put_spec(run, 0, front(-1, ()) + canary.pickled)
    ended_with(run, "bundle 0")


def test_a_canary_fires_where_nothing_is_signed(attacked, canary):
    """The attack is one: else the tests around this one would prove nothing."""
    run = attacked(secret=None)
    put_spec(run, 0, front(-1, ()) + canary.pickled)
    run.work()
    assert canary.fired
    os.rmdir(canary.path)


# What containers need once


@pytest.mark.parametrize("position", [0, 30, -1])
def test_a_header_with_a_flipped_bit(attacked, position):
    run = attacked()
    header = run.call("GET", run.key("header"))
    run.call("SET", run.key("header"), flipped(header, position))
    ended_with(run, "header of")


def test_an_unsigned_header_that_names_functions_of_its_own(attacked, canary):
    run = attacked()
    told = msgpack.unpackb(run.access.secret.signatures("run", "epoch").opened(
        "header", "of", run.call("GET", run.key("header"))
    ))  # fmt: skip
    run.call("SET", run.key("header"), msgpack.packb({**told, "functions": canary.inline}))
    ended_with(run, "header of")


def test_functions_overwritten_where_they_are(attacked, canary):
    run = attacked(inline_bytes=0)
    run.call("SET", "ds:blob:run/functions:0", b"".join(join(canary.pickled, [])))
    ended_with(run, "blob .*run/functions")


def test_an_unsigned_header_for_who_asks_for_it_alone(attacked, canary):
    run = attacked()
    run.call("SET", run.key("header"), msgpack.packb({"functions": canary.inline}))
    with pytest.raises(NotAuthentic, match="Refused: header of"):
        run.client.header()


def test_an_unsigned_bundle_that_is_to_make_a_lost_output_again(attacked, canary):
    run = attacked()
    maker = Assignment(1, front(-1, ()) + canary.pickled, ())
    with pytest.raises(NotAuthentic, match="Refused: bundle 1"):
        run.client.assignment(Assignment(0, spec_of(run, 0), (), (maker,)))


def test_a_constant_overwritten_where_it_is(attacked, canary):
    run = attacked({"a": (np.sum, LARGE), "c": (int, "a")})
    (key,) = run.call("KEYS", "ds:blob:run/constant-*")
    run.call("SET", key, b"".join(join(canary.pickled, [])))
    ended_with(run, "blob .*run/constant-")


# Outputs of others


STRUCK = {"a": (int, 3), "b": (int, 4), "s": (strike, "a", "b"), "c": (sum, ["a", "b", "s"])}


def test_an_unsigned_output(attacked, canary):
    run = attacked(STRUCK)
    later(run.call, "HSET", run.key("out"), run.task("a"), canary.inline)
    ended_with(run, f"output {run.task('a')}")


def test_an_output_of_another_task(attacked):
    run = attacked(STRUCK)
    one, other = run.task("a"), run.task("b")

    def swap():
        values = run.call("HMGET", run.key("out"), one, other)
        run.call("HSET", run.key("out"), one, values[1], other, values[0])

    later(swap)
    assert f"was signed as 'output {other} container." in str(ended_with(run, f"output {one}"))


def test_an_output_of_an_earlier_run(attacked):
    before = attacked(run="before")
    before.work()
    run = attacked(STRUCK)
    value = before.call("HGET", before.key("out"), before.task("c"))
    later(run.call, "HSET", run.key("out"), run.task("a"), value)
    ended_with(run, f"output {run.task('a')}")


def test_an_output_overwritten_where_it_is(attacked, canary):
    run = attacked(STRUCK, inline_bytes=0)

    def overwrite():
        for key in run.call("KEYS", "ds:blob:run/container*"):
            run.call("SET", key, b"".join(join(canary.pickled, [])))

    later(overwrite)
    ended_with(run, "blob .*run/container")


def test_a_blob_of_another_task_copied_over_it(attacked):
    """Both are this run's own, and signed: but each says where it belongs."""
    run = attacked(STRUCK, inline_bytes=0)

    def copy():
        one, other = sorted(run.call("KEYS", "ds:blob:run/container*"))[:2]
        run.call("SET", one, run.call("GET", other))

    later(copy)
    ended_with(run, "blob .*run/container")


@pytest.mark.parametrize("what", ["canary", "other"])
@pytest.mark.parametrize("compression", [None, "lz4"])
def test_a_blob_overwritten_in_a_folder_that_others_write_to(
    attacked, canary, tmp_path, what, compression
):
    """``blobs=`` of a folder that hosts share, or of a bucket."""
    folder = tmp_path / "blobs"
    run = attacked(STRUCK, inline_bytes=0, blobs=f"file://{folder}", compression=compression)

    def overwrite():
        one, other = sorted(f for f in folder.rglob("*container*") if f.is_file())[:2]
        pickled = b"".join(join(canary.pickled, []))
        one.write_bytes(pickled if what == "canary" else other.read_bytes())

    later(overwrite)
    ended_with(run, "blob .*container")


# At the client


def test_a_forged_failure_is_not_unpickled(attacked, canary):
    run = attacked(STRUCK)
    parts = {
        "kind": "X", "module": "x", "text": "", "kinds": [canary.pickled], "own": b"",
        "values": [], "args": [], "group": [], "members": {}, "state": {}, "frames": [],
        "cause": -1, "context": -1, "suppressed": False,
    }  # fmt: skip
    failure = {"blame": {}, "chain": [parts], "container": "c", "bundle": 0}
    run.call("HSET", run.key("meta"), "over", "failed", "error", msgpack.packb(["raised", failure]))
    with pytest.raises(NotAuthentic, match=r"Refused: a piece \(failure\)"):
        run.result("c")


def test_an_output_of_the_run_is_no_failure_of_it(attacked):
    """What a task returns is signed as well, and may be anything: only not something else."""
    run = attacked()
    run.work()
    output = run.call("HGET", run.key("out"), run.task("c"))
    run.call("HSET", run.key("meta"), "over", "failed", "error", output)
    with pytest.raises(NotAuthentic, match="was signed as 'output"):
        run.result("c")


def test_an_output_of_the_run_is_no_event_of_it(attacked):
    run = attacked()
    run.work()
    output = run.call("HGET", run.key("out"), run.task("c"))
    run.call("XADD", run.key("events"), "*", "e", output)
    with pytest.raises(NotAuthentic, match="was signed as 'output"):
        run.result("c")


def test_what_no_script_says_is_not_taken_for_its_word(attacked, canary):
    run = attacked()
    run.work()
    run.call("XADD", run.key("events"), "*", "m", canary.pickled)
    with pytest.raises(NotAuthentic, match="is nothing that one says"):
        run.result("c")


def test_a_forged_event_tells_no_outputs(attacked, canary):
    run = attacked(STRUCK)
    later(run.call, "XADD", run.key("events"), "*", "e", msgpack.packb([0, {2: canary.inline}]))
    run.work()
    with pytest.raises(NotAuthentic, match=r"Refused: a piece \(event\)"):
        run.result("c")


def test_a_forged_result(attacked, canary):
    run = attacked()
    run.work()
    task = run.task("c")
    run.call("HSET", run.key("out"), task, canary.inline)
    with pytest.raises(NotAuthentic, match=f"Refused: output {task}"):
        run.result("c")


def test_a_failure_of_a_task_arrives(attacked):
    run = attacked({"a": (int, "three"), "c": (int, "a")})
    run.work()
    with pytest.raises(ValueError, match="three"):
        run.result("c")


def test_what_others_note_for_deletion_is_not_deleted(attacked):
    run = attacked(inline_bytes=0)
    run.work()
    run.call("SADD", run.key("trash"), "r1 ds:blob:somebody/else", "u/home/somebody")
    assert run.client.references()
    remains = run.client.close()
    assert remains.references
    assert not [each for each in remains.references if b"somebody" in each]


@pytest.mark.parametrize("kind", ["bundle", "event", "failure", "header"])
def test_nor_is_what_is_signed_as_something_else(attacked, kind):
    """A failure may hold what its task likes, also what looks like a reference."""
    run = attacked(inline_bytes=0)
    signatures = run.access.secret.signatures("run", "epoch")
    run.call("SADD", run.key("trash"), signatures.signed(kind, 0, b"u/home/somebody"))
    assert not [each for each in run.client.references() if b"somebody" in each]
    assert not [each for each in run.client.close().references if b"somebody" in each]


def test_modules_of_the_client_are_imported_from_nobody_else(link):
    key = OwnInStore("pool", SECRET).put(link)
    assert own_modules_at(link, key, SECRET) is not None
    (signed,) = link.call(("GET", key))
    link.call(("SET", key, msgpack.packb({"evil": []})), ("SET", "ds:another", signed))
    for named in (key, "ds:another"):
        with pytest.raises(NotAuthentic):
            own_modules_at(link, named, SECRET)
