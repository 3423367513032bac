"""Bundles that wait too long for the container of their slot, over the twin and over a server."""

from __future__ import annotations

import msgpack
import pytest
from awaiting import eventually
from bundle_graphs import Graph, names
from passing import passes

from dask_serverless.coordination.base import NEVER, OK, Event, What, Whom
from dask_serverless.coordination.memory import MemoryCoordination, MemoryStore
from dask_serverless.coordination.moving import Move, Patience
from dask_serverless.coordination.redis import RedisCoordination
from dask_serverless.coordination.signed import SignedCoordination
from dask_serverless.coordination.sizes import of_size
from dask_serverless.coordination.untold import Dead
from dask_serverless.errors import NotAuthentic
from dask_serverless.signing.secret import Secret

ONE_SLOT = Graph([[], [], []], slots=[0, 0, 0])
HOUR_MS = 3_600_000


def begun(coordination, graph, due, **options):
    run = coordination()
    run.submit(graph.submission(due=due, **options))
    return run


def moves(run):
    events = run.news("0-0", 0).events
    return [Move.unpack(event.payload) for event in events if event.what is What.MOVED]


def all_late(run, count):
    """Until so many invitations were asked for."""
    asked = []
    eventually(lambda: asked.extend(run.sweep((), 60).invitations) or len(asked) >= count)


def test_what_is_late_goes_to_whoever_asks_and_what_is_not_waits(coordination):
    run = begun(coordination, ONE_SLOT, [0, HOUR_MS, 0])
    assert names(run.claim("c1", "k1").assignment) == 0
    assert names(eventually(lambda: run.claim("c2", "k2").assignment)) == 2
    assert run.claim("c3", "k3").assignment is None
    assert moves(run) == [Move(1, 2, 0, 0, "c2", "c1", 0)]


SMALL, LARGE = {"memory_mb": 512, "wanted_mb": 512}, {"memory_mb": 2048, "wanted_mb": 2048}
SIZES = (512, 2048)


def test_what_is_late_goes_to_nobody_who_is_too_small_for_it(coordination):
    slots = [of_size(0, 1), of_size(0, 1), 1, 1]
    run = begun(coordination, Graph([[]] * 4, slots, SIZES), [NEVER, 0, NEVER, 0], containers=5)
    assert names(run.claim("large", "k1", **LARGE).assignment) == 0
    assert names(run.claim("small", "k2", **SMALL).assignment) == 2
    asked = eventually(lambda: run.sweep((), 60).invitations)
    assert sorted(whom.memory_mb for whom in asked) == [512, 2048]
    assert names(run.claim("small too", "k3", **SMALL).assignment) == 3
    assert run.claim("small as well", "k4", **SMALL).assignment is None
    assert names(run.claim("large too", "k5", **LARGE).assignment) == 1
    assert moves(run) == [
        Move(1, 3, 1, 0, "small too", "small", 2),
        Move(2, 1, of_size(0, 1), 0, "large too", "large", 0),
    ]


def test_a_larger_container_takes_what_is_late_for_a_smaller_one_when_nothing_else_waits(
    coordination,
):
    slots = [0, 0, of_size(1, 1), of_size(1, 1)]
    run = begun(coordination, Graph([[]] * 4, slots, SIZES), [NEVER, 0, NEVER, 5], containers=5)
    run.claim("small", "k1", **SMALL)
    run.claim("large", "k2", **LARGE)
    all_late(run, 2)
    assert names(run.claim("large too", "k3", **LARGE).assignment) == 3, "its own size first"
    assert names(run.claim("larger", "k4", **LARGE).assignment) == 1


def test_what_is_late_and_has_outgrown_its_size_goes_to_the_next(coordination):
    run = begun(coordination, Graph([[], []], [0, 0], SIZES), [NEVER, 0], containers=5)
    run.claim("small", "k1", **SMALL)
    all_late(run, 1)
    run.sweep([], 60, outgrown=["small"])
    assert run.claim("small too", "k2", **SMALL).assignment is None
    assert names(run.claim("large", "k3", **LARGE).assignment) == 1


def test_times_in_a_run_of_several_sizes_leave_no_keys(link):
    run = RedisCoordination(link, "run", "epoch")
    run.submit(Graph([[], []], [0, of_size(0, 1)], SIZES).submission(due=[5, 5]))
    keys = link.call(("KEYS", "*"))[0]
    assert b"ds:{run}:patience1" in keys
    assert min(link.call(*(("TTL", key) for key in keys))) > 0, "each has an expiry"
    run.close()
    assert link.call(("KEYS", "*")) == [[]]


def test_nobody_is_invited_for_what_its_container_took_in_time(coordination):
    run = begun(coordination, Graph([[], []], slots=[0, 0]), [600_000, 600_000], containers=3)
    run.claim("c1", "k1")
    assert names(run.publish("c1", ONE_SLOT.report(0, "k1"), "k2").assignment) == 1
    passes(run, 1_200_000)
    assert run.sweep((), 60).invitations == []
    assert run.claim("c2", "k3").assignment is None


def test_who_left_is_not_called_back_for_what_another_one_took(coordination):
    graph = Graph([[], [], [1]], slots=[0, 1, 0])
    run = begun(coordination, graph, [NEVER, NEVER, 1_000], containers=3)
    run.claim("c1", "k1")
    run.claim("c2", "k2")
    run.publish("c1", graph.report(0, "k1"), "")
    passes(run, 60_000)
    answer = run.publish("c2", graph.report(1, "k2"), "k3")
    assert names(answer.assignment) == 2 and answer.invitations == []
    assert run.sweep((), 60).invitations == []
    assert moves(run) == [Move(1, 2, 0, 1_000, "c2", "c1", -1)]


def test_who_was_called_in_vain_is_not_called_again_for_what_another_one_took(coordination):
    graph = Graph([[], [], [1]], slots=[0, 1, 0])
    run = begun(coordination, graph, [NEVER, NEVER, 90_000], containers=3)
    run.claim("c1", "k1", invited=True)
    run.claim("c2", "k2", invited=True)
    run.publish("c1", graph.report(0, "k1"), "")
    called = run.publish("c2", graph.report(1, "k2"), "").invitations
    assert called == [Whom(0, "c1")]
    passes(run, 120_000)
    answer = run.claim("c3", "k3", invited=True)
    assert (names(answer.assignment), answer.invitations) == (2, [])
    assert len(moves(run)) == 1
    assert run.sweep((), 60).invitations == []
    assert run.sweep([Dead("c1", "killed")], 60).invitations == []


def test_what_a_repeated_submission_makes_ready_again_is_late_for_nobody(coordination):
    graph = Graph([[], []], slots=[0, 0])
    run, submission = coordination(), graph.submission(due=[60_000, 60_000], containers=3)
    run.submit(submission)
    assert names(run.claim("c1", "k1").assignment) == 0
    assert names(run.publish("c1", graph.report(0, "k1"), "k2").assignment) == 1
    run.submit(submission)
    passes(run, 120_000)
    assert [run.claim(f"c{n}", f"k{n}").assignment for n in (3, 4)] == [None, None]
    assert moves(run) == []


def test_how_late_it_is_is_told_to_the_minute(coordination):
    """A minute early it waits, and a minute later anybody has it."""
    run = begun(coordination, ONE_SLOT, [NEVER, 600_000, NEVER], containers=3)
    run.claim("c1", "k1")
    passes(run, 540_000)
    assert run.claim("c2", "k2").assignment is None
    passes(run, 120_000)
    assert names(run.claim("c2", "k3").assignment) == 1
    assert moves(run) == [Move(1, 1, 0, 600_000, "c2", "c1", 0)]


def test_at_the_very_moment_it_is_late_and_when_it_is_taken_it_waits_no_more():
    """In memory: over a server, nobody asks at that very moment."""
    patience = Patience([5])
    patience.add(0, 0)
    assert (patience.count(4, 0), patience.count(5, 0)) == (0, 1)
    assert patience.pop(5, 0) == (5, 0, 0)
    assert patience.waiting == {} and patience.pop(6, 0) is None


def test_without_times_nothing_leaves_its_slot(coordination):
    for due in ((), [NEVER] * 3):
        run = coordination(run=f"run{len(due)}")
        run.submit(ONE_SLOT.submission(due=due))
        run.claim("c1", "k1")
        assert run.claim("c2", "k2").assignment is None
        assert moves(run) == []


def test_who_finishes_its_own_bundle_goes_on_with_a_late_one_of_another_slot(coordination):
    graph = Graph([[], [], []], slots=[0, 1, 0])
    run = begun(coordination, graph, [0, 0, 1], containers=3)
    run.claim("c1", "k1")
    assert names(run.claim("c2", "k2").assignment) == 1
    all_late(run, 1)
    assert names(run.publish("c2", graph.report(1, "k2"), "k3").assignment) == 2
    again = run.publish("c2", graph.report(1, "k2"), "k3")  # its answer was lost
    assert names(again.assignment) == 2
    assert [move.container for move in moves(run)] == ["c2"]


def test_the_one_that_was_due_first_goes_first(coordination):
    run = begun(coordination, ONE_SLOT, [NEVER, 1, 0], containers=3)
    run.claim("c1", "k1")
    all_late(run, 2)
    assert [names(run.claim(f"c{n}", f"k{n}").assignment) for n in (2, 3)] == [2, 1]


def test_idle_containers_are_invited_for_what_is_late_each_once(coordination):
    run = begun(coordination, ONE_SLOT, [0, 1, 1], containers=3)
    run.claim("c1", "k1")
    all_late(run, 2)
    assert run.sweep((), 60).invitations == []
    assert names(run.claim("c2", "k2", invited=True).assignment) == 1
    assert names(run.claim("c3", "k3", invited=True).assignment) == 2


def test_a_bundle_that_becomes_ready_too_late_may_be_had_at_once(coordination):
    graph = Graph([[], [], [1]], slots=[0, 1, 0])
    run = begun(coordination, graph, [0, 0, 1])
    run.claim("c1", "k1")
    run.claim("c2", "k2")
    answer = run.publish("c2", graph.report(1, "k2"), "k3")
    found = answer.assignment or eventually(lambda: run.claim("c2", "k4").assignment)
    assert names(found) == 2 and found.inputs == [b"i1"]


def test_the_slot_stays_with_its_container_and_so_do_its_later_bundles(coordination):
    graph = Graph([[], [], [1]], slots=[0, 0, 0])
    run = begun(coordination, graph, [0, 0, NEVER])
    run.claim("c1", "k1")
    assert names(eventually(lambda: run.claim("c2", "k2").assignment)) == 1
    answer = run.publish("c2", graph.report(1, "k2"), "k3")
    assert answer.assignment is None  # bundle 2 waits for c1
    assert names(run.publish("c1", graph.report(0, "k1"), "k4").assignment) == 2


def test_a_moved_bundle_whose_container_is_lost_comes_back_and_is_late_again(coordination):
    run = begun(coordination, ONE_SLOT, [0, 0, NEVER])
    run.claim("c1", "k1")
    assert names(eventually(lambda: run.claim("c2", "k2").assignment)) == 1
    run.sweep([Dead("c2", "killed")], 60)
    assert names(run.claim("c3", "k3").assignment) == 1
    assert [(move.version, move.container) for move in moves(run)] == [(1, "c2"), (2, "c3")]
    assert run.publish("c3", ONE_SLOT.report(1, "k3"), "").status == OK


def test_an_output_in_the_busy_containers_memory_keeps_its_bundle_there(coordination):
    """It is given to that container or to nobody: such a bundle never waits in a slot."""
    graph = Graph([[], [0], []], slots=[0, 0, 0])
    run = begun(coordination, graph, [0, 0, NEVER])
    run.claim("c1", "k1")
    answer = run.publish("c1", graph.near(0, "k1", [1]), "k2")
    assert names(answer.assignment) == 1 and answer.assignment.inputs == [b"l0"]
    assert run.claim("c2", "k3").assignment is None
    assert moves(run) == []


@pytest.mark.parametrize(
    "told", [b"", b"\xc1", b"\x80", msgpack.packb([1, 2, 3]), msgpack.packb(["1"] * 7)]
)
def test_what_is_no_note_of_a_move_is_refused(told):
    """No script signs what it tells: others who may write to the store could have told it."""
    secret = Secret("of client and containers")
    run = SignedCoordination(
        MemoryCoordination(MemoryStore(), "run", "epoch"), secret.signatures("run", "epoch")
    )
    with pytest.raises(NotAuthentic):
        run.event(Event(What.MOVED, told))


@pytest.fixture
def on_redis(link):
    return RedisCoordination(link, "run", "epoch")


def test_every_key_goes_by_itself_also_once_all_that_was_late_is_gone(on_redis, link):
    """A key that was emptied comes back without its expiry, unless something stays in it."""
    graph = Graph([[], [], [], [1]], slots=[0, 0, 0, 0])
    calls = [
        lambda: on_redis.submit(graph.submission(due=[0] * 4)),
        lambda: on_redis.claim("c1", "k1"),
        lambda: on_redis.claim("c2", "k2"),
        lambda: on_redis.claim("c3", "k3"),
        lambda: on_redis.publish("c2", graph.report(1, "k2"), ""),
        lambda: on_redis.sweep([Dead("c3", "killed")], 60),
    ]
    for call in calls:
        call()
        forever = [k for k in link.call(("KEYS", "*"))[0] if link.call(("TTL", k))[0] < 0]
        assert forever == []
    assert len(moves(on_redis)) == 2
    on_redis.close()
    assert link.call(("KEYS", "*")) == [[]]


@pytest.mark.parametrize("lost", ["due", "patience"])
def test_without_its_times_a_run_waits_for_the_containers_of_its_slots(on_redis, link, lost):
    graph = Graph([[], [], [1]], slots=[0, 1, 0])
    on_redis.submit(graph.submission(due=[NEVER, NEVER, 0], containers=3))
    on_redis.claim("c1", "k1")
    on_redis.claim("c2", "k2")
    link.call(("DEL", f"ds:{{run}}:{lost}"))
    if lost == "due":
        assert on_redis.publish("c2", graph.report(1, "k2"), "k3").assignment is None
        assert names(on_redis.publish("c1", graph.report(0, "k1"), "k4").assignment) == 2
    else:  # what becomes ready from now on has its time
        assert names(on_redis.publish("c2", graph.report(1, "k2"), "k3").assignment) == 2
        on_redis.sweep((), 60)
        assert link.call(("TTL", "ds:{run}:patience"))[0] in (-2, *range(1, 61))
