"""Bundles that are divided while they run, over the twin and over a server."""

from __future__ import annotations

from dataclasses import replace

import msgpack
import pytest
from awaiting import eventually
from bundle_graphs import Graph, names, read

from dask_serverless.coordination.base import FENCED, LOST, OK, OVER, Event, What
from dask_serverless.coordination.memory import MemoryCoordination, MemoryStore
from dask_serverless.coordination.redis import RedisCoordination
from dask_serverless.coordination.signed import SignedCoordination
from dask_serverless.coordination.sizes import of_size
from dask_serverless.coordination.splitting import Split
from dask_serverless.coordination.untold import Dead
from dask_serverless.errors import NotAuthentic
from dask_serverless.signing.secret import Secret

JOIN = Graph([[], [], [0, 1]])  # the last bundle takes what the other two give


def begun(coordination, graph, **options):
    """A run whose first bundle the container c1 has."""
    run = coordination()
    run.submit(graph.submission(**options))
    assert names(run.claim("c1", "k1").assignment) == 0
    return run


def splits(run):
    events = run.news("0-0", 0).events
    return [Split.unpack(event.payload) for event in events if event.what is What.SPLIT]


def test_there_is_room_for_containers_that_neither_work_nor_have_something_waiting(coordination):
    run = begun(coordination, JOIN, containers=4)
    room = run.split("c1", 0, "k1")
    assert (room.containers, room.bundles, room.divided) == (2, 3, False)
    run.claim("c2", "k2")
    assert run.split("c1", 0, "k1").containers == 2
    assert begun(lambda: coordination("other"), JOIN).split("c1", 0, "k1").containers == 0


def test_bundles_that_wait_in_slots_have_their_containers(coordination):
    """One of a slot that is nobody's, and one whose container has left and is called back."""
    graph = Graph([[], [], [3], [], []], slots=[0, 1, 1, 2, 3])
    run = coordination()
    run.submit(graph.submission(containers=9))
    assert [names(run.claim(f"c{n}", f"k{n}").assignment) for n in range(3)] == [0, 1, 3]
    run.publish("c1", graph.report(1, "k1"), "")
    assert run.split("c0", 0, "k0").containers == 9 - 2 - 1, "two work, and a slot is nobody's"
    run.publish("c2", graph.report(3, "k2"), "")
    assert run.split("c0", 0, "k0").containers == 9 - 1 - 2


def test_bundles_of_every_size_have_their_containers(coordination):
    slots = [of_size(-1, size) for size in (0, 0, 1, 2, 2)]
    run = coordination()
    run.submit(Graph([[]] * 5, slots, (512, 1024, 2048)).submission(containers=9))
    small = {"memory_mb": 512, "wanted_mb": 512}
    assert names(run.claim("c1", "k1", **small).assignment) == 0
    assert run.split("c1", 0, "k1").containers == 9 - 1 - 4


def test_who_divides_a_bundle_again_invites_for_the_new_parts_alone(coordination):
    graph = Graph([[]])
    run = begun(coordination, graph, containers=4)
    for _ in range(2):
        division = graph.division(0, 1)
        room = run.split("c1", 0, "k1", division)
        graph.divided(0, division)
        assert room.divided and len(room.invitations) == 1
    assert run.sweep((), 60).invitations == []
    assert run.split("c1", 0, "k1").containers == 1


def test_who_has_no_lease_any_more_divides_nothing(coordination):
    run = begun(coordination, JOIN, lease_ms=1)
    eventually(lambda: run.split("c1", 0, "k1").status == FENCED)
    assert run.split("c1", 0, "k1", JOIN.division(0, 1)).status == FENCED
    assert splits(run) == []


def test_a_bundle_whose_spec_was_deleted_ends_the_run(link):
    run = RedisCoordination(link, "run", "epoch")
    run.submit(JOIN.submission())
    run.claim("c1", "k1")
    link.call(("HDEL", "ds:{run}:spec", "0"))
    assert run.split("c1", 0, "k1", JOIN.division(0, 1)).status == OVER
    assert run.sweep((), 60).why == "failed"


def test_parts_are_bundles_of_their_own_and_the_run_ends_with_the_last(coordination):
    run = begun(coordination, Graph([[], [0]]), containers=3)
    division = Graph([[], [0]]).division(0, 2)
    room = run.split("c1", 0, "k1", division)
    assert (room.divided, room.bundles, room.containers) == (True, 4, 0)
    assert len(room.invitations) == 2
    assert splits(run) == [Split(1, 0, 2, 2, "c1")]
    graph = Graph([[], [0]])
    graph.divided(0, division)
    assert names(run.claim("c2", "k2").assignment) == 2
    following = run.publish("c1", graph.report(0, "k1"), "k3").assignment
    assert names(following) == 1 and following.inputs == [b"i0"]
    assert names(run.publish("c2", graph.report(2, "k2"), "k4").assignment) == 3
    assert run.publish("c1", graph.report(1, "k3"), "").status == OK
    assert run.claim("c3", "k5").status == OK, "a part is still under way"
    run.publish("c2", graph.report(3, "k4"), "")
    assert run.claim("c3", "k6").status == OVER
    assert len([e for e in run.news("0-0", 0).events if e.what is What.FINISHED]) == 4


def test_the_answer_may_be_lost_and_is_the_same_when_it_is_asked_for_again(coordination):
    run = begun(coordination, JOIN, containers=3)
    division = JOIN.division(0, 1)
    first = run.split("c1", 0, "k1", division)
    again = run.split("c1", 0, "k1", division)
    assert first.divided and again.divided and (again.bundles, *again.invitations) == (4,)
    assert len(splits(run)) == 1


def test_who_numbers_its_parts_as_somebody_else_did_numbers_them_again(coordination):
    run = begun(coordination, JOIN, containers=4)
    assert names(run.claim("c2", "k2").assignment) == 1
    assert run.split("c2", 1, "k2", JOIN.division(1, 1)).divided
    late = JOIN.division(0, 1)
    room = run.split("c1", 0, "k1", late)
    assert (room.divided, room.bundles, len(splits(run))) == (False, 4, 1)
    assert run.split("c1", 0, "k1", JOIN.division(0, 1, first=room.bundles)).divided
    assert [split.first for split in splits(run)] == [3, 4]


def test_who_has_lost_the_bundle_divides_nothing(coordination):
    run = begun(coordination, JOIN)
    run.sweep([Dead("c1", "taken for dead")], 60)
    assert run.split("c1", 0, "k1", JOIN.division(0, 1)).status == FENCED
    assert names(run.claim("c2", "k2").assignment) == 0
    assert run.split("c1", 0, "k1", JOIN.division(0, 1)).status == FENCED
    run.fail("c2", 0, "k2", b"error")
    assert run.split("c2", 0, "k2").status == OVER
    run.close()
    assert run.split("c2", 0, "k2").status == LOST


def test_who_takes_over_a_divided_bundle_has_what_was_kept_of_it(coordination):
    graph = Graph([[], []])
    run = begun(coordination, graph, containers=4)
    division = graph.division(0, 1)
    run.split("c1", 0, "k1", division)
    run.sweep([Dead("c1", "killed")], 60)
    found = run.claim("c2", "k2").assignment
    assert read(found.spec) == read(division.kept)


def test_a_lost_part_comes_back_as_other_bundles_do(coordination):
    graph = Graph([[]])
    run = begun(coordination, graph, containers=3)
    run.split("c1", 0, "k1", graph.division(0, 1))
    assert names(run.claim("c2", "k2").assignment) == 1
    run.sweep([Dead("c2", "killed")], 60)
    assert names(run.claim("c3", "k3").assignment) == 1


@pytest.mark.parametrize("others", [0, 1], ids=["its only user", "one of several"])
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0)], ids=["kept first", "kept last"])
def test_an_input_of_several_parts_stays_until_the_last_of_its_users(coordination, others, order):
    graph = Graph([[], [0], *[[0]] * others])
    run = begun(coordination, graph, containers=5)
    answer = run.publish("c1", graph.report(0, "k1", reference=b"rinput"), "k2")
    assert names(answer.assignment) == 1
    if others:
        run.claim("other", "ko")
        assert run.publish("other", graph.report(2, "ko"), "").released == []
    division = graph.division(1, 2)
    assert run.split("c1", 1, "k2", division).divided
    graph.divided(1, division)
    first = division.first
    having = {1: ("c1", "k2")}
    for number in (first, first + 1):
        assert run.claim(f"p{number}", f"kp{number}").assignment.inputs == [b"rinput"]
        having[number] = (f"p{number}", f"kp{number}")
    bundles = [(1, first, first + 1)[place] for place in order]
    released = [
        run.publish(having[b][0], graph.report(b, having[b][1]), "").released for b in bundles
    ]
    assert released == [[], [], [b"rinput"]]


def test_what_takes_an_output_from_memory_is_not_divided(coordination):
    graph = Graph([[], [0]])
    run = begun(coordination, graph, containers=4)
    run.publish("c1", graph.near(0, "k1", [1]), "k2")
    room = run.split("c1", 1, "k2", graph.division(1, 1))
    assert (room.status, room.containers, room.divided) == (OK, 0, False)


def test_parts_need_a_container_as_large_as_the_bundle_does(coordination):
    graph = Graph([[], []], [of_size(3, 1), 3], (512, 2048))
    run = coordination()
    run.submit(graph.submission(containers=4))
    assert names(run.claim("c1", "k1", memory_mb=2048, wanted_mb=2048).assignment) == 0
    room = run.split("c1", 0, "k1", graph.division(0, 1))
    assert room.divided and [whom.memory_mb for whom in room.invitations] == [2048]
    assert names(run.claim("c2", "k2", memory_mb=512, wanted_mb=512).assignment) == 1
    assert run.claim("c3", "k3", memory_mb=512, wanted_mb=512).assignment is None
    assert names(run.claim("c4", "k4", memory_mb=2048, wanted_mb=2048).assignment) == 2


@pytest.mark.parametrize(
    "told", [b"", b"\xc1", b"\x80", msgpack.packb([1, 2, 3, 4]), msgpack.packb(["1"] * 5)]
)
def test_what_is_no_note_of_a_division_is_refused(told):
    """No script signs what it tells: others who may write to the store could have told it."""
    secret = Secret("of client and containers")
    inner = MemoryCoordination(MemoryStore(), "run", "epoch")
    run = SignedCoordination(inner, secret.signatures("run", "epoch"))
    with pytest.raises(NotAuthentic):
        run.event(Event(What.SPLIT, told))


def test_every_key_of_a_divided_run_goes_by_itself_and_with_the_run(link):
    run = RedisCoordination(link, "run", "epoch")
    graph = Graph([[]])
    division = graph.division(0, 2)
    calls = [
        lambda: run.submit(graph.submission(containers=3)),
        lambda: run.claim("c1", "k1"),
        lambda: run.split("c1", 0, "k1", division),
        lambda: run.claim("c2", "k2"),
        lambda: run.publish("c2", replace(graph.report(0, "k2"), bundle=1), ""),
    ]
    for call in calls:
        call()
        forever = [k for k in link.call(("KEYS", "*"))[0] if link.call(("TTL", k))[0] < 0]
        assert forever == []
    run.close()
    assert link.call(("KEYS", "*")) == [[]]
