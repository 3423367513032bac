"""Runs that fall behind their plan, and go on in larger containers, over the twin and over a server."""

from __future__ import annotations

import msgpack
import pytest
from awaiting import eventually
from bundle_graphs import Graph, names
from passing import passes

from dask_serverless.coordination.base import OK, Event, What
from dask_serverless.coordination.memory import MemoryCoordination, MemoryStore
from dask_serverless.coordination.redis import RedisCoordination
from dask_serverless.coordination.resizing import Pace, Pacing, Resize
from dask_serverless.coordination.signed import SignedCoordination
from dask_serverless.coordination.sizes import of_size
from dask_serverless.coordination.untold import Dead
from dask_serverless.errors import NotAuthentic
from dask_serverless.signing.secret import Secret

SIZES = (512, 1024, 2048)
SMALL, MIDDLE, LARGE = ({"memory_mb": size, "wanted_mb": size} for size in SIZES)
FOUR = Graph([[], [], [], []], sizes=SIZES)
HOUR_MS = 3_600_000
ONE_BY_NOW = Pace([1], [(0, 1)], 0, HOUR_MS)  # a bundle should be done as soon as it is submitted


def begun(coordination, pace, graph=FOUR, *, middle=False, **options):
    """A run whose first bundle a small container has, and a larger one the second if it is to: they
    came before the run was late.
    """
    for later_ms in (20, 200, 2_000, 20_000):
        run = coordination(run=f"later {later_ms}")
        due = [(each + later_ms, bundles) for each, bundles in pace.due]
        run.submit(graph.submission(pace=pace._replace(due=due), containers=4, **options))
        there = names(run.claim("c1", "k1", **SMALL).assignment) == 0
        if there and (not middle or run.claim("c2", "k2", **MIDDLE).assignment) and not steps(run):
            return run
    raise AssertionError("no container comes before the run is late")


def resizes(run):
    events = run.news("0-0", 0).events
    return [Resize.unpack(event.payload) for event in events if event.what is What.RESIZED]


def steps(run):
    return [(resize.before, resize.size) for resize in resizes(run)]


def late(run):
    """Once anybody has noticed: the client that looks, here."""
    eventually(lambda: run.sweep((), 60) and resizes(run))
    return run


def test_a_run_that_is_behind_goes_on_in_larger_containers(coordination):
    run = late(begun(coordination, ONE_BY_NOW))
    (resize,) = resizes(run)
    assert resize == Resize(1, 0, 1, 0, 1, resize.due_ms)
    assert run.claim("c2", "k2", **SMALL).assignment is None
    assert names(run.claim("c3", "k3", **MIDDLE).assignment) == 1
    assert len(resizes(run)) == 1


def test_invitations_are_for_the_larger_size_from_then_on(coordination):
    run = begun(coordination, ONE_BY_NOW)
    asked = eventually(lambda: [w for w in run.sweep((), 60).invitations if w.memory_mb > 512])
    assert {whom.memory_mb for whom in asked} == {1024}


def test_what_runs_already_goes_on_and_its_container_leaves_after_it(coordination):
    run = late(begun(coordination, ONE_BY_NOW))
    answer = run.publish("c1", FOUR.report(0, "k1"), "k2")
    assert (answer.status, answer.assignment) == (OK, None)


def test_a_container_that_publishes_notices_it_too(coordination):
    run = begun(coordination, Pace([1], [(0, 3)], 0, HOUR_MS))
    report = FOUR.report(0, "k1")
    eventually(lambda: run.publish("c1", report, "").status == OK and resizes(run))
    assert steps(run) == [(0, 1)]


def test_who_keeps_the_pace_changes_nothing(coordination):
    for pace in (
        Pace([1], [(HOUR_MS, 1)], 0, 0),
        Pace([1], [(0, 0)], 0, 0),
        Pace([], [(0, 1)], 0, 0),
    ):
        run = coordination(run=f"run {pace}")
        run.submit(FOUR.submission(pace=pace))
        assert names(run.claim("c1", "k1", **SMALL).assignment) == 0
        run.sweep((), 60)
        assert names(run.publish("c1", FOUR.report(0, "k1"), "k2").assignment) == 1
        assert resizes(run) == []


def test_from_then_on_the_same_pace_is_to_be_kept_and_then_the_next_size_comes(coordination):
    run = late(begun(coordination, Pace([1, 2], [(0, 1), (1, 2)], 0, 0), middle=True))
    eventually(lambda: run.sweep((), 60) and len(resizes(run)) > 1)
    first, second, *_ = resizes(run)
    assert (first.version, first.size, second.version, second.size) == (1, 1, 2, 2)
    assert second.due_ms >= first.due_ms


def test_until_a_larger_container_could_have_started_it_is_not_late_again(coordination):
    run = late(begun(coordination, Pace([1, 2], [(0, 1)], HOUR_MS, 0), middle=True))
    for _ in range(3):
        run.sweep((), 60)
    assert steps(run) == [(0, 1)]


MINUTE_MS = 60_000


def resized_at(run, *minutes):
    """How much is told of it by then, as the client looks so many minutes from now."""
    before, found = 0.0, []
    for moment in minutes:
        passes(run, round((moment - before) * MINUTE_MS))
        before = moment
        run.sweep((), 60)
        found.append(len(resizes(run)))
    return found


def submitted(coordination, pace):
    """Of four bundles a small container has one, and one of the middle size another."""
    run = coordination()
    run.submit(FOUR.submission(pace=pace, containers=4))
    assert names(run.claim("c1", "k1", **SMALL).assignment) == 0
    return run


def test_who_was_late_has_all_its_time_again_from_when_larger_containers_can_be_there(coordination):
    pace = Pace([1, 2], [(MINUTE_MS, 1), (2 * MINUTE_MS, 3)], MINUTE_MS // 2, 10_000)
    run = submitted(coordination, pace)
    assert run.claim("c2", "k2", **MIDDLE).assignment
    assert resized_at(run, 0.5) == [0]
    run.publish("c1", FOUR.report(0, "k1"), "")
    assert resized_at(run, 1.0, 2.0) == [0, 1], "one bundle in time for the first look"
    (first,) = resizes(run)
    assert first == Resize(1, 0, 1, 1, 3, 2 * MINUTE_MS)
    # That was at 2.5: from 3 on it is to go as from 1 on, so three bundles are due at 4.
    assert resized_at(run, 0.4, 0.5, 1.25) == [1, 1, 1]
    assert resized_at(run, 0.75) == [2]
    second = resizes(run)[1]
    assert (second.before, second.size, second.done, second.expected) == (1, 2, 1, 3)
    assert second.due_ms == pytest.approx(4 * MINUTE_MS, abs=MINUTE_MS / 5)


def test_a_larger_container_has_its_time_to_come_and_is_given_up_for_good(coordination):
    run = submitted(coordination, Pace([1], [(MINUTE_MS, 1)], 0, MINUTE_MS // 2))
    assert resized_at(run, 2.0, 2.25) == [1, 1]
    assert resized_at(run, 0.75, 60.0, 120.0) == [2, 2, 2]
    _, second = resizes(run)
    assert second == Resize(2, 1, 0, 0, 0, second.due_ms)
    assert second.due_ms == pytest.approx(2.5 * MINUTE_MS, abs=MINUTE_MS / 5)


def test_a_container_that_divides_its_bundle_notices_it_too(coordination):
    run = submitted(coordination, Pace([1], [(MINUTE_MS, 1)], 0, HOUR_MS))
    passes(run, 2 * MINUTE_MS)
    assert run.split("c1", 0, "k1").status == OK
    assert steps(run) == [(0, 1)]


def test_what_is_given_up_goes_back_to_the_size_that_memory_demands(coordination):
    run = submitted(coordination, Pace([1, 2], [(MINUTE_MS, 1)], 0, MINUTE_MS // 2))
    run.sweep([Dead("c1", "out of memory")], 60, outgrown=["c1"])
    assert resized_at(run, 2.0, 3.0) == [1, 2]
    assert steps(run) == [(1, 2), (2, 1)]
    assert run.claim("c2", "k2", **SMALL).assignment is None
    assert run.claim("c3", "k3", **MIDDLE).assignment is not None


def test_at_the_very_moment_nothing_is_late_yet():
    """To the millisecond: over a server, nobody asks at that moment."""
    pacing = Pacing(Pace([1], [(1000, 1)], 0, 500))
    assert pacing.look(1, 1000, 0, 0, 0) is None
    assert pacing.look(1, 1001, 0, 0, 0) == Resize(1, 0, 1, 0, 1, 1000)
    assert pacing.look(2, 1501, 0, 1, 0) is None
    assert pacing.look(2, 1502, 0, 1, 0) == Resize(2, 1, 0, 0, 0, 1501)


def test_a_size_that_is_not_worth_it_is_left_out(coordination):
    run = late(begun(coordination, Pace([2], [(0, 1)], 0, HOUR_MS)))
    assert steps(run) == [(0, 2)]


def test_where_no_larger_container_comes_the_run_goes_on_without(coordination):
    run = late(begun(coordination, Pace([1, 2], [(0, 1)], 0, 1)))
    found = eventually(lambda: run.claim("c2", "k2", **SMALL).assignment)
    assert names(found) == 1
    first, second = resizes(run)
    assert (second.version, second.before, second.size, second.expected) == (2, 1, 0, 0)
    assert second.due_ms > first.due_ms
    for _ in range(3):
        run.sweep((), 60)
    assert len(resizes(run)) == 2, "it was tried once"


def test_who_has_come_in_time_stays(coordination):
    run = late(begun(coordination, Pace([1], [(0, 1)], 0, 1), middle=True))
    for number in range(3):
        run.sweep((), 60)
        assert run.claim("c3", f"k3{number}", **SMALL).assignment is None
    assert steps(run) == [(0, 1)]


def test_a_size_that_memory_demands_is_not_given_up(coordination):
    run = begun(coordination, Pace([1], [(0, 1)], 0, 1))
    run.sweep([Dead("c1", "out of memory")], 60, outgrown=["c1"])
    for number in range(3):
        assert run.claim("c2", f"k{number}", **SMALL).assignment is None
    assert (0, 1) not in steps(run)[1:]


def test_a_slot_of_a_container_that_is_too_small_by_now_is_anyones(coordination):
    graph = Graph([[], [], []], [0, 0, 0], SIZES)
    run = late(begun(coordination, ONE_BY_NOW, graph))
    assert run.claim("c2", "k2", **SMALL).assignment is None
    assert names(run.claim("c3", "k3", **MIDDLE).assignment) == 1
    assert run.publish("c1", graph.report(0, "k1"), "k4").assignment is None
    assert names(run.publish("c3", graph.report(1, "k3"), "k5").assignment) == 2


def test_parts_of_a_divided_bundle_go_to_the_larger_size_too(coordination):
    graph = Graph([[], []], sizes=SIZES)
    run = late(begun(coordination, ONE_BY_NOW, graph))
    room = run.split("c1", 0, "k1", graph.division(0, 1))
    assert room.divided and {whom.memory_mb for whom in room.invitations} <= {1024}
    assert run.claim("c2", "k2", **SMALL).assignment is None
    assert {names(run.claim(f"c{n}", f"k{n}", **MIDDLE).assignment) for n in (3, 4)} == {1, 2}


def test_bundles_that_need_more_still_get_it(coordination):
    graph = Graph([[], [], []], [-1, of_size(-1, 2), -1], SIZES)
    run = late(begun(coordination, ONE_BY_NOW, graph))
    assert names(run.claim("c2", "k2", **MIDDLE).assignment) == 2
    assert run.claim("c3", "k3", **MIDDLE).assignment is None
    assert names(run.claim("c4", "k4", **LARGE).assignment) == 1


def test_a_moved_bundle_needs_the_larger_size_too(coordination):
    graph = Graph([[], []], [0, 0], SIZES)
    run = late(begun(coordination, ONE_BY_NOW, graph, due=[HOUR_MS, 0]))
    assert run.claim("c2", "k2", **SMALL).assignment is None
    assert names(run.claim("c3", "k3", **MIDDLE).assignment) == 1


@pytest.mark.parametrize(
    "told", [b"", b"\xc1", b"\x80", msgpack.packb([1, 2, 3]), msgpack.packb(["1"] * 6)]
)
def test_what_is_no_note_of_another_size_is_refused(told):
    secret = Secret("of client and containers")
    run = SignedCoordination(
        MemoryCoordination(MemoryStore(), "run", "epoch"), secret.signatures("run", "epoch")
    )
    with pytest.raises(NotAuthentic):
        run.event(Event(What.RESIZED, told))


@pytest.fixture
def on_redis(link):
    return RedisCoordination(link, "run", "epoch")


def test_every_key_goes_by_itself_also_after_a_resize(on_redis, link):
    graph = Graph([[], [], []], [0, 0, 0], SIZES)
    calls = [
        lambda: on_redis.submit(graph.submission(pace=ONE_BY_NOW, containers=3)),
        lambda: late(on_redis),
        lambda: on_redis.claim("c2", "k2", **MIDDLE),
        lambda: on_redis.publish("c2", graph.report(0, "k2"), "k3"),
        lambda: on_redis.sweep([Dead("c2", "killed")], 60),
    ]
    for call in calls:
        call()
        forever = [k for k in link.call(("KEYS", "*"))[0] if link.call(("TTL", k))[0] < 0]
        assert forever == []
    on_redis.close()
    assert link.call(("KEYS", "*")) == [[]]
