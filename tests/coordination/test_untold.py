"""What containers took and cannot tell, since they are gone or the run has failed."""

from __future__ import annotations

import msgpack
import pytest
from awaiting import eventually
from bundle_graphs import Graph

from dask_serverless.coordination.base import Event, What
from dask_serverless.coordination.signed import SignedCoordination
from dask_serverless.coordination.untold import Dead, Untold
from dask_serverless.errors import NotAuthentic

PAIR = Graph([[], []])
CHAIN = Graph([[], [0]])


def begun(coordination, graph, **options):
    run = coordination()
    run.submit(graph.submission(**options))
    return run


def untold(run):
    events = run.news("0-0", 0).events
    return [(Untold.unpack(e.payload), e.at) for e in events if e.what is What.UNTOLD]


def test_a_lost_container_is_told_of_once_with_what_is_known_of_it(coordination):
    run = begun(coordination, CHAIN)
    run.claim("c1", "k1", invited=True, cold=True, memory_mb=512)
    for _ in range(2):  # the reply may be lost
        run.sweep([Dead("c1", "killed", 1500, 5 << 30)], 60)
    [(told, at)] = untold(run)
    assert told[3:] == (1, 512, 1500, 5 << 30)
    assert told.came_ms <= told.until_ms <= 1000 * at + 1


def test_so_are_all_that_were_at_work_when_their_host_is_lost(coordination):
    run = begun(coordination, PAIR)
    run.claim("c1", "k1", invited=True)
    run.claim("c2", "k2", invited=True, cold=True)
    run.sweep([Dead("*", "the nursery was killed")], 60)
    assert {(told.container, told.cold) for told, _ in untold(run)} == {("c1", 0), ("c2", 1)}


def test_one_that_had_nothing_to_do_any_more_has_told_of_all_that_it_did(coordination):
    run = begun(coordination, PAIR)
    run.claim("c1", "k1", invited=True)
    run.claim("c2", "k2", invited=True)
    run.publish("c2", PAIR.report(1, "k2"), "")
    run.sweep([Dead("c2", "idle for long"), Dead("c3", "killed before it came")], 60)
    assert untold(run) == []


def test_one_that_fell_silent_took_what_it_took_until_it_was_heard_of_last(coordination):
    lease_ms = 200
    run = begun(coordination, CHAIN, lease_ms=lease_ms)
    run.claim("c1", "k1", invited=True)
    eventually(lambda: run.sweep((), 60).invitations)
    [(told, at)] = untold(run)
    assert told.came_ms <= told.until_ms <= 1000 * at - lease_ms + 1


def test_one_that_comes_again_and_is_lost_again_is_told_of_again(coordination):
    run = begun(coordination, CHAIN, attempts=9)
    for number in range(2):
        run.claim("c1", f"k{number}", invited=True)
        run.sweep([Dead("c1", "taken for dead")], 60)
    (first, _), (second, _) = untold(run)
    assert second.came_ms >= first.until_ms


@pytest.mark.parametrize("how", ["raises", "is lost too often"])
def test_a_run_that_fails_tells_of_all_that_were_at_work_before_it_does(coordination, how):
    run = begun(coordination, PAIR, attempts=1)
    run.claim("c1", "k1", invited=True, cold=True)
    run.claim("c2", "k2", invited=True)
    if how == "raises":
        run.fail("c1", 0, "k1", b"error")
    else:
        run.sweep([Dead("c1", "killed")], 60)
    events = [e.what for e in run.news("0-0", 0).events]
    assert events == [What.UNTOLD, What.UNTOLD, What.FAILED]
    assert {told.container for told, _ in untold(run)} == {"c1", "c2"}


@pytest.mark.parametrize("note", [b"\xc0", msgpack.packb(["c1", 1, 2, 3]), b"\x80\x04K\x01."])
def test_what_is_no_such_note_is_refused(coordination, note):
    run = coordination()
    if not isinstance(run, SignedCoordination):
        with pytest.raises(ValueError):
            Untold.unpack(note)
        return
    with pytest.raises(NotAuthentic, match="what a script tells"):
        run.event(Event(What.UNTOLD, note))


def test_a_run_that_is_given_up_notes_all_that_are_at_work_once(coordination):
    run = begun(coordination, PAIR)
    run.claim("c1", "k1", invited=True)
    run.claim("c2", "k2", invited=True, cold=True)
    for _ in range(2):  # the reply may be lost
        run.interrupt()
    assert {(told.container, told.cold) for told, _ in untold(run)} == {("c1", 0), ("c2", 1)}
    run.close()
    run.interrupt()
    assert untold(run) == []
