"""The contract of coordination, over the memory twin and over a real server."""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib.resources import files
from itertools import count

import msgpack
import pytest
from awaiting import eventually
from bundle_graphs import Graph, names

from dask_serverless.coordination import said
from dask_serverless.coordination.base import FENCED, LOST, OK, OVER, What, Whom
from dask_serverless.coordination.redis import RedisCoordination
from dask_serverless.coordination.sizes import of_size, size_of
from dask_serverless.coordination.untold import Dead
from dask_serverless.errors import StoreCommandFailed

CHAIN = Graph([[], [0], [1]])
FORK = Graph([[], [0], [0]])
JOIN = Graph([[], [], [], [0, 1, 2]])


def begun(coordination, graph, **options):
    run = coordination()
    run.submit(graph.submission(**options))
    return run


def test_a_claim_gives_a_ready_bundle_with_its_spec_and_the_header(coordination):
    run = begun(coordination, JOIN)
    answer = run.claim("c1", "k1", invited=True, header=True)
    assert (answer.status, names(answer.assignment), answer.header) == (OK, 0, b"header")


def test_the_same_claim_asked_twice_gets_the_same_answer(coordination):
    run = begun(coordination, JOIN)
    first = run.claim("c1", "k1")
    again = run.claim("c1", "k1")
    assert again.assignment == first.assignment
    assert names(run.claim("c2", "k2").assignment) == 1


def test_nothing_ready_is_an_answer_without_a_bundle(coordination):
    run = begun(coordination, CHAIN)
    run.claim("c1", "k1")
    answer = run.claim("c2", "k2")
    assert (answer.status, answer.assignment) == (OK, None)


def test_the_caller_goes_on_with_the_child_it_made_ready_and_its_inputs(coordination):
    run = begun(coordination, CHAIN)
    run.claim("c1", "k1")
    answer = run.publish("c1", CHAIN.report(0, "k1", b"ihello"), "k2")
    assert names(answer.assignment) == 1
    assert answer.assignment.inputs == [b"ihello"]


def test_other_children_are_invited_for_once(coordination):
    run = begun(coordination, FORK, containers=3)
    run.claim("c1", "k1")
    answer = run.publish("c1", FORK.report(0, "k1"), "k2")
    assert names(answer.assignment) == 1
    assert answer.invitations == [Whom()]
    assert run.sweep((), 60).invitations == []  # asked for a moment ago
    assert names(run.claim("c2", "k3", invited=True).assignment) == 2


def test_an_invitation_that_nobody_answers_is_asked_for_again(coordination):
    run = begun(coordination, FORK, containers=3)
    run.claim("c1", "k1")
    assert run.publish("c1", FORK.report(0, "k1"), "k2").invitations == [Whom()]
    assert eventually(lambda: run.sweep((), 60).invitations) == [Whom()]


def test_who_was_asked_for_before_the_run_is_there_is_not_asked_for_again(coordination):
    """All containers come up at once: the first to come must not ask for as many once more."""
    run = begun(coordination, Graph([[], [], [], []]), containers=5, invited=3)
    assert run.claim("c1", "k1", invited=True).invitations == [Whom()]  # for the fourth
    for number in (2, 3, 4):
        answer = run.claim(f"c{number}", f"k{number}", invited=True)
        assert answer.assignment is not None
        assert answer.invitations == []


def test_who_was_asked_for_before_the_run_and_does_not_answer_is_asked_for_again(coordination):
    run = begun(coordination, Graph([[], []]), containers=2, invited=2, answer_ms=50)
    assert run.claim("c1", "k1", invited=True).invitations == []
    assert eventually(lambda: run.sweep((), 60).invitations) == [Whom()]


def test_one_that_was_asked_for_and_will_not_come_is_replaced_at_once(coordination):
    run = begun(coordination, Graph([[], [], []]), containers=3, invited=3)
    run.claim("c1", "k1", invited=True)
    assert run.sweep((), 60).invitations == []
    assert run.sweep([Dead("", "refused")], 60).invitations == [Whom()]
    assert run.sweep((), 60).invitations == []
    assert run.renew("c1", 0, "k1").status == OK


def test_a_submission_that_is_sent_again_does_not_wait_for_those_who_came(coordination):
    graph = Graph([[], []])
    run = begun(coordination, graph, containers=2, invited=2)
    for number in (0, 1):
        run.claim(f"c{number}", f"k{number}", invited=True)
    run.submit(graph.submission(containers=2, invited=2))
    assert run.sweep([Dead("c1", "killed")], 60).invitations == [Whom()]


def test_no_more_containers_are_invited_than_the_run_may_have(coordination):
    wide = Graph([[], *([[0]] * 5)])
    run = begun(coordination, wide, containers=3)
    run.claim("c1", "k1")
    answer = run.publish("c1", wide.report(0, "k1"), "k2")
    assert answer.invitations == [Whom(), Whom()]  # c1 itself works on


def test_the_last_of_several_inputs_makes_a_bundle_ready(coordination):
    run = begun(coordination, JOIN)
    for number in range(3):
        run.claim(f"c{number}", f"k{number}")
    for number in (2, 0):
        assert run.publish(f"c{number}", JOIN.report(number, f"k{number}"), "").assignment is None
        assert run.claim("other", f"early{number}").assignment is None
    answer = run.publish("c1", JOIN.report(1, "k1"), "next")
    assert names(answer.assignment) == 3
    assert answer.assignment.inputs == [b"i0", b"i1", b"i2"]


def test_what_was_held_back_is_given_while_its_container_runs_another_bundle(coordination):
    pair = Graph([[], [], [0, 1]])
    run = begun(coordination, pair)
    run.claim("c1", "k0")
    held = run.publish("c1", pair.near(0, "k0", [2], patient=True), "k1")
    assert (list(held.held), names(held.assignment)) == ([0], 1)
    for _ in range(2):  # the answer may be lost
        given = run.publish("c1", pair.report(0, "k0"), "")
        assert (given.status, given.assignment, list(given.held)) == (OK, None, [])
    assert run.renew("c1", 1, "k1").status == OK
    answer = run.publish("c1", pair.report(1, "k1"), "k2")
    assert names(answer.assignment) == 2
    assert answer.assignment.inputs == [b"i0", b"i1"]


def test_a_container_that_gave_what_it_held_back_is_still_at_work(coordination):
    pair = Graph([[], [], [0, 1]])
    run = begun(coordination, pair)
    run.claim("c1", "k0")
    run.publish("c1", pair.near(0, "k0", [2], patient=True), "k1")
    run.publish("c1", pair.report(0, "k0"), "")
    run.sweep([Dead("c1", "gone")], 60)
    assert names(run.claim("c2", "k2").assignment) == 1  # and not 0, which is done


def test_a_repeated_publish_counts_once(coordination):
    run = begun(coordination, JOIN, containers=3)
    for number in range(3):
        run.claim(f"c{number}", f"k{number}")
    for _ in range(3):
        answer = run.publish("c0", JOIN.report(0, "k0"), "")
        assert (answer.status, answer.assignment) == (OK, None)
    assert run.sweep((), 60).done == 1
    assert len(run.news("0-0", 0).events) == 1


def test_more_than_eight_inputs_span_several_bytes_and_leave_neighbours_alone(coordination):
    wide = Graph([*([[]] * 17), list(range(17)), list(range(9))])
    run = begun(coordination, wide, containers=20)
    made_ready = {}
    for number in range(17):
        assert names(run.claim(f"c{number}", f"k{number}").assignment) == number
    for number in range(17):
        following = f"f{number}" if number in (8, 16) else ""
        answer = run.publish(f"c{number}", wide.report(number, f"k{number}"), following)
        made_ready[number] = names(answer.assignment)
    assert {n: child for n, child in made_ready.items() if child} == {8: 18, 16: 17}


def test_a_publish_repeated_after_a_lost_reply_gives_the_same_following_bundle(coordination):
    run = begun(coordination, CHAIN)
    run.claim("c1", "k1")
    first = run.publish("c1", CHAIN.report(0, "k1", b"ihello"), "k2")
    again = run.publish("c1", CHAIN.report(0, "k1", b"ihello"), "k2")
    assert again.assignment == first.assignment


def test_the_very_last_publish_may_be_repeated_too(coordination):
    one = Graph([[]])
    run = begun(coordination, one)
    run.claim("c1", "k1")
    assert run.publish("c1", one.report(0, "k1"), "k2").status == OK
    again = run.publish("c1", one.report(0, "k1"), "k2")
    assert (again.status, again.assignment) == (OK, None)  # OVER would have its blobs discarded
    assert len(run.news("0-0", 0).events) == 1
    assert run.outputs([0]) == [b"i0"]


def test_a_publish_repeated_after_the_run_failed_keeps_what_was_announced(coordination):
    run = begun(coordination, FORK)
    run.claim("c1", "k1")
    run.publish("c1", FORK.report(0, "k1"), "")
    run.claim("c2", "k2")
    run.fail("c2", 1, "k2", b"error")
    again = run.publish("c1", FORK.report(0, "k1"), "k3")
    assert (again.status, again.assignment) == (OK, None)


def test_a_finished_run_says_so_to_whoever_asks(coordination):
    one = Graph([[]])
    run = begun(coordination, one)
    run.claim("c1", "k1")
    run.publish("c1", one.report(0, "k1"), "k2")
    answer = run.claim("c2", "k3", invited=True)
    assert (answer.status, answer.why) == (OVER, "done")
    assert run.sweep((), 60).status == OVER


def test_a_lost_container_gives_its_bundle_back_and_is_fenced(coordination):
    run = begun(coordination, CHAIN)
    run.claim("c1", "k1")
    condition = run.sweep([Dead("c1", "killed")], 60)
    assert condition.invitations == [Whom()]
    assert names(run.claim("c2", "k2", invited=True).assignment) == 0
    assert run.renew("c1", 0, "k1").status == FENCED
    assert run.fail("c1", 0, "k1", b"error").status == FENCED
    assert run.publish("c1", CHAIN.report(0, "k1", b"iwrong"), "k9").status == FENCED
    assert run.publish("c2", CHAIN.report(0, "k2", b"iright"), "").status == OK
    assert run.publish("c1", CHAIN.report(0, "k1", b"iwrong"), "k9").status == FENCED
    assert run.outputs([0]) == [b"iright"]


def test_all_containers_lost_at_once_give_back_everything(coordination):
    """The nursery was killed: waiting for leases and invitations would take many seconds."""
    graph = Graph([[], [], [], []], slots=[-1, 3, -1, -1])
    run = begun(coordination, graph, containers=2)
    run.claim("c1", "k1")
    run.claim("c2", "k2")
    condition = run.sweep([Dead("*", "the nursery was killed")], 60)
    assert condition.invitations == [Whom(), Whom()]
    assert run.sweep([Dead("*", "the next one too")], 60).invitations == [Whom(), Whom()]
    assert {names(run.claim(f"n{n}", f"m{n}").assignment) for n in range(4)} == {0, 1, 2, 3}
    assert run.publish("c1", graph.report(0, "k1"), "").status == FENCED


def test_a_lost_container_that_held_nothing_changes_nothing(coordination):
    run = begun(coordination, CHAIN)
    run.claim("c1", "k1")
    run.sweep([Dead("stranger", "killed")], 60)
    assert run.renew("c1", 0, "k1").status == OK


def test_a_lease_that_ran_out_is_swept(coordination):
    run = begun(coordination, CHAIN, lease_ms=20)
    run.claim("c1", "k1")
    assert eventually(lambda: run.sweep((), 60).invitations) == [Whom()]
    assert names(run.claim("c2", "k2", invited=True).assignment) == 0
    assert run.renew("c1", 0, "k1").status == FENCED


def test_a_lease_that_ran_out_can_not_be_renewed_nor_fail_the_run(coordination):
    run = begun(coordination, CHAIN, lease_ms=1)
    run.claim("c1", "k1")
    eventually(lambda: run.renew("c1", 0, "k1").status == FENCED)
    assert run.fail("c1", 0, "k1", b"error").status == FENCED


def test_a_late_publish_counts_while_nobody_else_has_the_bundle(coordination):
    run = begun(coordination, CHAIN, lease_ms=1)
    run.claim("c1", "k1")
    eventually(lambda: run.renew("c1", 0, "k1").status == FENCED)
    assert run.publish("c1", CHAIN.report(0, "k1"), "").status == OK


def test_a_renewed_lease_lasts(coordination):
    run = begun(coordination, CHAIN, lease_ms=400)
    run.claim("c1", "k1")
    for _ in range(5):
        assert run.renew("c1", 0, "k1").status == OK
        assert run.sweep((), 60).invitations == []


def test_a_bundle_that_outlived_its_lease_gets_a_longer_one(coordination):
    """Else a bundle that needs longer than a lease, on a busy machine, would never get through."""
    run = begun(coordination, CHAIN, lease_ms=300, attempts=9)
    run.claim("c1", "k1")
    for number in range(2, 6):
        run.sweep([Dead(f"c{number - 1}", "killed")], 60)
        assert names(run.claim(f"c{number}", f"k{number}").assignment) == 0
    eventually(lambda: run.renew("c5", 0, "none").status == FENCED)
    assert run.renew("c5", 0, "k5").status == OK  # 4.8 s


def test_a_bundle_whose_containers_get_lost_again_and_again_fails_the_run(coordination):
    run = begun(coordination, CHAIN, attempts=2)
    for number in range(2):
        assert names(run.claim(f"c{number}", f"k{number}").assignment) == 0
        condition = run.sweep([Dead(f"c{number}", f"killed by test {number}")], 60)
    assert (condition.status, condition.why) == (OVER, "failed")
    story = [["c0", "killed by test 0"], ["c1", "killed by test 1"]]
    assert msgpack.unpackb(condition.error) == ["lost", 0, 2, story]
    event = run.news("0-0", 0).events[-1]
    assert (event.what, event.payload) == (What.FAILED, condition.error)
    assert run.claim("c9", "k9").status == OVER


def test_a_failure_ends_the_run_for_everybody(coordination):
    run = begun(coordination, JOIN)
    run.claim("c1", "k1")
    run.claim("c2", "k2")
    assert run.fail("c1", 0, "k1", b"error").status == OK
    assert run.renew("c2", 1, "k2").status == OVER
    answer = run.publish("c2", JOIN.report(1, "k2"), "k3")
    assert (answer.status, answer.why) == (OVER, "failed")
    assert run.sweep((), 60).error == b"error"
    assert [e.what for e in run.news("0-0", 0).events] == [What.FAILED]


def test_the_first_reason_to_end_stays(coordination):
    run = begun(coordination, JOIN)
    run.claim("c1", "k1")
    run.claim("c2", "k2")
    run.fail("c1", 0, "k1", b"first")
    assert run.fail("c2", 1, "k2", b"second").status == OVER
    assert run.sweep((), 60).error == b"first"


# Slots


def test_a_container_prefers_the_slot_it_has(coordination):
    graph = Graph([[], [], [], [], []], slots=[0, 1, 0, 1, -1])
    run = begun(coordination, graph)
    assert names(run.claim("c1", "k1").assignment) == 4  # nobody's slots come last
    assert names(run.publish("c1", graph.report(4, "k1"), "k2").assignment) == 0
    assert names(run.claim("c2", "k3").assignment) == 1
    assert names(run.publish("c1", graph.report(0, "k2"), "k4").assignment) == 2
    assert names(run.publish("c2", graph.report(1, "k3"), "k5").assignment) == 3


def test_a_slot_whose_owner_is_idle_stays_its_own_and_is_invited_for(coordination):
    graph = Graph([[], [], [0]], slots=[0, -1, 0])
    run = begun(coordination, graph, containers=3)
    assert names(run.claim("c2", "k2", invited=True).assignment) == 1
    assert names(run.claim("c1", "k1", invited=True).assignment) == 0
    answer = run.publish("c1", graph.report(0, "k1"), "")  # c1 goes idle
    assert answer.invitations == [Whom(0, "c1")]
    assert run.claim("c3", "k3").assignment is None  # not its own, not invited for it
    assert names(run.claim("c1", "k4", slot=0, invited=True).assignment) == 2


def test_whoever_was_invited_for_a_slot_may_take_it_over(coordination):
    graph = Graph([[], [0]], slots=[0, 0])
    run = begun(coordination, graph)
    run.claim("c1", "k1")
    run.publish("c1", graph.report(0, "k1"), "")
    assert names(run.claim("c2", "k2", slot=0, invited=True).assignment) == 1


def test_a_slot_whose_owner_is_busy_with_another_one_is_adopted(coordination):
    graph = Graph([[], [], [0], [1]], slots=[0, 1, 0, 1])
    run = begun(coordination, graph, containers=3)
    assert names(run.claim("c1", "k1").assignment) == 0
    assert names(run.claim("c2", "k2").assignment) == 1
    run.sweep([Dead("c2", "killed")], 60)
    run.publish("c1", graph.report(0, "k1"), "")  # c1 keeps slot 0, bundle 2 waits there
    assert names(run.claim("c1", "k3", slot=1).assignment) == 2  # its own slot comes first
    assert names(run.claim("c3", "k4").assignment) == 1  # and c3 takes over slot 1
    answer = run.publish("c1", graph.report(2, "k3"), "k5")
    assert answer.assignment is None  # slot 1 has an owner, who is serving it
    assert names(run.publish("c3", graph.report(1, "k4"), "k6").assignment) == 3


def test_the_slots_of_a_lost_container_are_free(coordination):
    graph = Graph([[], [0]], slots=[0, 0])
    run = begun(coordination, graph)
    run.claim("c1", "k1")
    run.publish("c1", graph.report(0, "k1"), "")
    condition = run.sweep([Dead("c1", "killed")], 60)
    assert condition.invitations == []  # for c1, a moment ago
    assert names(run.claim("c2", "k2").assignment) == 1


def test_a_bundle_put_back_returns_to_its_slot(coordination):
    graph = Graph([[], []], slots=[3, 5])
    run = begun(coordination, graph)
    assert names(run.claim("c1", "k1").assignment) == 0
    assert names(run.claim("c2", "k2").assignment) == 1
    run.sweep([Dead("c1", "killed")], 60)
    assert names(run.publish("c2", graph.report(1, "k2"), "k3").assignment) == 0


def test_none_of_a_hundred_slots_is_overlooked(coordination):
    """Scripts looked at the first 64 slots that had ready bundles, and at no others."""
    graph = Graph([[] for _ in range(100)] + [[b] for b in range(100)], slots=[*range(100)] * 2)
    run = begun(coordination, graph, containers=3)
    held = {number: names(run.claim(f"c{number}", f"k{number}").assignment) for number in range(3)}
    done = []
    for turn in range(1000):
        number = turn % 3
        if held.get(number) is None:
            continue
        done.append(held[number])
        report = graph.report(held[number], f"k{number}")
        answer = run.publish(f"c{number}", report, f"k{number}")
        held[number] = names(answer.assignment)
    assert sorted(done) == list(range(200))
    assert run.sweep((), 60).why == "done"


def test_slots_of_idle_containers_are_each_invited_for_once(coordination):
    graph = Graph([[], [], [0, 1], [2], [2]], slots=[0, 1, -1, 0, 1])
    run = begun(coordination, graph, containers=3)
    assert names(run.claim("a", "k1").assignment) == 0
    assert names(run.claim("b", "k2").assignment) == 1
    run.publish("a", graph.report(0, "k1"), "")
    run.publish("b", graph.report(1, "k2"), "")
    assert names(run.claim("c", "k3", invited=True).assignment) == 2
    answer = run.publish("c", graph.report(2, "k3"), "")
    assert answer.invitations == [Whom(0, "a"), Whom(1, "b")]
    assert run.sweep((), 60).invitations == []
    assert names(run.claim("b", "k4", slot=1, invited=True).assignment) == 4
    assert names(run.claim("a", "k5", slot=0, invited=True).assignment) == 3


def test_who_leaves_its_slot_to_serve_another_run_is_invited_again(coordination):
    graph = Graph([[], [], []], slots=[0, 0, 0])
    run = begun(coordination, graph, containers=1)
    run.claim("a", "k1")
    assert run.publish("a", graph.report(0, "k1"), "").invitations == [Whom(0, "a")]
    assert names(run.claim("a", "k2", slot=0, invited=True).assignment) == 1
    assert names(run.publish("a", graph.report(1, "k2"), "k3").assignment) == 2


# Releases


def test_an_output_is_released_after_its_last_use(coordination):
    run = begun(coordination, FORK)
    run.claim("c1", "k1")
    run.publish("c1", FORK.report(0, "k1", b"rsomewhere"), "k2")
    run.claim("c2", "k3")
    assert run.publish("c1", FORK.report(1, "k2"), "").released == []
    assert run.outputs([0]) == [b"rsomewhere"]
    assert run.publish("c2", FORK.report(2, "k3"), "").released == [b"rsomewhere"]
    assert run.outputs([0]) == [None]


def test_inline_outputs_are_released_without_a_word(coordination):
    run = begun(coordination, CHAIN)
    run.claim("c1", "k1")
    run.publish("c1", CHAIN.report(0, "k1"), "k2")
    assert run.publish("c1", CHAIN.report(1, "k2"), "k3").released == []
    assert run.outputs([0, 1]) == [None, b"i1"]


def test_close_tells_what_is_to_be_deleted_elsewhere(coordination):
    run = begun(coordination, CHAIN, blobs=[b"fconstant"])
    run.claim("c1", "k1")
    run.sweep([Dead("c1", "killed")], 60)
    run.claim("c2", "k2")
    run.publish("c2", CHAIN.report(0, "k2", b"rfirst"), "k3")
    run.publish("c2", CHAIN.report(1, "k3", b"rsecond"), "k4")
    remains = run.close()
    assert sorted(remains.references) == [b"fconstant", b"rfirst", b"rsecond"]
    assert sorted(remains.claims) == ["k1", "k4"]  # lost, and still running


def test_what_a_container_deleted_is_not_told_again(coordination):
    run = begun(coordination, CHAIN)
    run.claim("c1", "k1")
    run.publish("c1", CHAIN.report(0, "k1", b"rfirst"), "k2")
    released = run.publish("c1", CHAIN.report(1, "k2"), "k3").released
    run.publish("c1", CHAIN.report(2, "k3", deleted=released), "")
    assert run.close().references == []


# Epochs, news, close


def test_another_epoch_of_the_same_run_is_lost(coordination):
    begun(coordination, CHAIN)
    other = coordination(epoch="another")
    assert other.claim("c", "k").status == LOST
    assert other.publish("c", CHAIN.report(0, "k"), "").status == LOST
    assert other.renew("c", 0, "k").status == LOST
    assert other.fail("c", 0, "k", b"").status == LOST
    assert other.sweep((), 60).status == LOST
    assert other.close().references == ()
    assert names(coordination().claim("c", "k").assignment) == 0


def test_runs_do_not_see_each_other(coordination):
    begun(coordination, CHAIN)
    other = coordination(run="other")
    assert other.claim("c", "k").status == LOST
    other.submit(JOIN.submission())
    other.claim("c", "k")
    other.fail("c", 0, "k", b"error")
    assert coordination().claim("c", "k").status == OK


def test_a_closed_run_is_lost(coordination):
    run = begun(coordination, CHAIN)
    run.claim("c1", "k1")
    run.close()
    assert run.publish("c1", CHAIN.report(0, "k1"), "k2").status == LOST
    assert run.sweep((), 60).status == LOST
    assert run.outputs([0]) == [None]


def test_who_submits_can_wait_for_the_end_and_gets_the_story_with_it(coordination):
    def work():
        run = coordination()
        eventually(lambda: run.claim("c1", "k1").assignment)
        for bundle in range(3):
            run.publish("c1", CHAIN.report(bundle, f"k{bundle + 1}"), f"k{bundle + 2}")

    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(work)
        story = coordination().submit(CHAIN.submission(), (), 20.0, [2])
        working.result()
    assert len(story.events) == 3
    assert story.outputs == coordination().outputs([2]) != [None]


def test_a_run_that_takes_longer_than_one_waits_has_no_story_yet(coordination):
    assert coordination().submit(CHAIN.submission(), (), 0.01, [2]) is None


def test_a_sweep_can_wait_for_the_end(coordination):
    run = begun(coordination, Graph([[]]))
    assert run.sweep((), 60, 0.01).status == OK
    run.claim("c1", "k1")
    with ThreadPoolExecutor(1) as pool:
        swept = pool.submit(coordination().sweep, (), 60, 20.0)
        run.publish("c1", CHAIN.report(0, "k1"), "")
        condition = swept.result()
    assert (condition.status, condition.why) == (OVER, "done")


def test_news_go_on_where_the_reader_stopped(coordination):
    run = begun(coordination, CHAIN)
    run.claim("c1", "k1")
    assert not run.news("0-0", 0).events
    run.publish("c1", CHAIN.report(0, "k1"), "k2")
    news = run.news("0-0", 0)
    assert len(news.events) == 1
    run.publish("c1", CHAIN.report(1, "k2"), "k3")
    assert len(run.news(news.last, 0).events) == 1
    assert len(run.news("0-0", 0).events) == 2


def test_what_is_said_is_news_to_who_listens(coordination):
    """Beside events, each from where its reader stopped."""
    run = coordination()
    run.submit(CHAIN.submission(), said.begun("run"))
    run.claim("c1", "k1")
    run.say(b"one")
    run.publish("c1", CHAIN.report(0, "k1"), "k2")
    news = run.news("0-0", 0, last_said=said.FROM_THE_START)
    assert (list(news.said), len(news.events)) == ([b"one"], 1)
    run.say(b"two")
    news = run.news(news.last, 5.0, last_said=news.last_said)
    assert (list(news.said), list(news.events)) == ([b"two"], [])
    run.publish("c1", CHAIN.report(1, "k2"), "k3")
    news = run.news(news.last, 5.0, last_said=news.last_said)
    assert (list(news.said), len(news.events)) == ([], 1)
    assert not run.news("0-0", 0).said


def test_what_is_said_wakes_who_waits_and_leaves_nothing(coordination):
    run = coordination()
    run.submit(CHAIN.submission(), said.begun("run"))
    with ThreadPoolExecutor() as pool:
        last = run.news("0-0", 0, last_said="0-0").last_said  # that it begins is news, too
        heard = pool.submit(lambda: coordination().news("0-0", 60.0, last_said=last))
        while not heard.done():
            run.say(b"one")
            time.sleep(0.01)
        assert set(heard.result().said) == {b"one"}
    run.close()
    run.say(b"two")  # by whoever has not heard of it
    assert not run.news("0-0", 0, last_said="0-0").said


def test_events_tell_when_they_were_and_the_last_how_long_the_run_took(coordination):
    """A submission whose answer is lost is repeated; a run's makespan begins with the first."""
    before = time.monotonic()
    run = begun(coordination, CHAIN)
    for _ in range(50):
        run.claim("c1", "k1")
    run.publish("c1", CHAIN.report(0, "k1"), "k2")
    run.submit(CHAIN.submission())
    run.publish("c1", CHAIN.report(1, "k2"), "k3")
    run.tell(2, "k3", b"progress")
    run.publish("c1", CHAIN.report(2, "k3"), "")
    elapsed = time.monotonic() - before
    *others, last = run.story([]).events
    assert [event.makespan for event in others] == [0.0, 0.0, 0.0]
    assert others[0].at <= others[1].at <= others[2].at <= last.at
    assert last.at - others[0].at < last.makespan <= elapsed


def test_the_failure_tells_how_long_the_run_took_until_then(coordination):
    before = time.monotonic()
    run = begun(coordination, CHAIN)
    run.claim("c1", "k1")
    run.publish("c1", CHAIN.report(0, "k1"), "k2")
    run.fail("c1", 1, "k2", b"it raised")
    elapsed = time.monotonic() - before
    first, failure = run.story([]).events
    assert failure.what is What.FAILED and first.makespan == 0.0
    a_millisecond = 0.001  # events' times are whole ones
    assert failure.at - first.at - a_millisecond <= failure.makespan <= elapsed


def test_news_come_in_one_go_after_a_rest_that_the_end_of_the_run_cuts_short(coordination):
    run = begun(coordination, CHAIN)
    run.claim("c1", "k1")
    with ThreadPoolExecutor(1) as pool:
        told = pool.submit(coordination().news, "0-0", 20.0, 20.0)
        for bundle in range(3):
            run.publish("c1", CHAIN.report(bundle, f"k{bundle + 1}"), f"k{bundle + 2}")
        assert len(told.result(10).events) == 3


def test_a_submission_sent_twice_is_one(coordination):
    """A reply got lost and the link sent everything again, while a container was quick."""
    run = coordination()
    submission = CHAIN.submission()
    run.submit(submission)
    run.submit(submission)
    assert names(run.claim("c1", "k1").assignment) == 0
    assert run.claim("c2", "k2").assignment is None


# The store's side


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


# where containers have several sizes

SMALL, LARGE = {"memory_mb": 512, "wanted_mb": 512}, {"memory_mb": 2048, "wanted_mb": 2048}
SIZES = (512, 2048)


def test_a_bundle_is_given_to_no_container_that_is_too_small_for_it(coordination):
    graph = Graph([[], []], [-1, -2], SIZES)
    run = begun(coordination, graph)
    assert names(run.claim("small", "k1", invited=True, **SMALL).assignment) == 0
    answer = run.publish("small", graph.report(0, "k1"), "k2")
    assert answer.assignment is None
    assert names(run.claim("large", "k3", invited=True, **LARGE).assignment) == 1


def test_a_large_container_takes_what_needs_it_first_and_then_what_does_not(coordination):
    graph = Graph([[], [], []], [-1, of_size(3, 1), -2], SIZES)
    run = begun(coordination, graph)
    given = [names(run.claim("large", "k0", **LARGE).assignment)]
    for number in range(2):
        report = graph.report(given[-1], f"k{number}")
        given.append(names(run.publish("large", report, f"k{number + 1}").assignment))
    assert given == [2, 1, 0]


def test_containers_are_invited_by_what_ready_bundles_need_each_once(coordination):
    graph = Graph([[], [0], [0], [0]], [-1, -2, -2, -1], SIZES)
    run = begun(coordination, graph, containers=4)
    run.claim("c1", "k1", **SMALL)
    answer = run.publish("c1", graph.report(0, "k1"), "k2")
    assert names(answer.assignment) == 3
    assert answer.invitations == [Whom(memory_mb=2048)] * 2
    assert run.sweep((), 60).invitations == []  # asked for a moment ago
    late = run.claim("small", "k3", invited=True, **SMALL)
    assert (late.assignment, late.invitations) == (None, [])
    assert names(run.claim("large", "k4", invited=True, **LARGE).assignment) == 1


def test_who_came_early_and_is_too_small_has_a_larger_one_invited(coordination):
    graph = Graph([[]], [-2], SIZES)
    run = begun(coordination, graph)
    answer = run.claim("small", "k1", invited=True, **SMALL)
    assert (answer.assignment, answer.invitations) == (None, [Whom(memory_mb=2048)])


def test_a_child_that_its_maker_is_too_small_for_goes_to_others(coordination):
    graph = Graph([[], [0]], [-1, -2], SIZES)
    run = begun(coordination, graph)
    run.claim("small", "k1", **SMALL)
    answer = run.publish("small", graph.near(0, "k1", [1], reference=b"r0"), "k2")
    assert answer.assignment is None
    stored = run.publish("small", graph.report(0, "k1", b"r0"), "k3")
    assert stored.invitations == [Whom(memory_mb=2048)]
    assert names(run.claim("large", "k4", invited=True, **LARGE).assignment) == 1


@pytest.mark.parametrize("slots", [(-1, -1), (0, 0), (of_size(0, 1), of_size(0, 1))])
def test_what_outgrew_its_container_goes_on_with_the_next_size(coordination, slots):
    sizes = (512, 1024, 2048)
    graph = Graph([[], []], slots, sizes)
    run = begun(coordination, graph)
    first = sizes[max(0, size_of(slots[0]))]
    larger = sizes[sizes.index(first) + 1]
    told = {"memory_mb": first, "wanted_mb": first}
    assert names(run.claim("c1", "k1", invited=True, **told).assignment) == 0
    condition = run.sweep([Dead("c1", "out of memory")], 60, outgrown=["c1"])
    assert {each.memory_mb for each in condition.invitations} == {larger}
    again = run.sweep([Dead("c1", "out of memory")], 60, outgrown=["c1"])
    assert again.invitations == [], "one step for one size"
    assert run.claim("c2", "k2", invited=True, **told).assignment is None
    told = {"memory_mb": larger, "wanted_mb": larger}
    assert names(run.claim("c3", "k3", invited=True, **told).assignment) == 0
    assert names(run.publish("c3", graph.report(0, "k3"), "k4").assignment) == 1


def test_a_slot_whose_container_has_become_too_small_is_taken_over(coordination):
    graph = Graph([[], [0], []], [0, 0, -1], SIZES)
    run = begun(coordination, graph, containers=3)
    assert names(run.claim("c1", "k1", **SMALL).assignment) == 2
    run.claim("c2", "k2", **SMALL)
    run.sweep([Dead("c1", "out of memory")], 60, outgrown=["c1"])
    answer = run.publish("c2", graph.report(0, "k2"), "k3")
    assert answer.assignment is None, "it is too small by now"
    assert answer.invitations
    done = names(run.claim("large", "k4", invited=True, **LARGE).assignment)
    report = graph.report(done, "k4")
    assert {done, names(run.publish("large", report, "k5").assignment)} == {1, 2}


def test_there_is_nothing_beyond_the_largest_size(coordination):
    graph = Graph([[]], [-2], SIZES)
    run = begun(coordination, graph)
    run.claim("c1", "k1", **LARGE)
    condition = run.sweep([Dead("c1", "out of memory")], 60, outgrown=["c1"])
    assert condition.invitations == [Whom(memory_mb=2048)]


def test_who_falls_silent_with_nearly_all_its_memory_in_use_was_too_small(coordination):
    graph = Graph([[], []], [-1, -1], SIZES)
    run = begun(coordination, graph, containers=3, lease_ms=300)
    assert names(run.claim("c1", "k1", **SMALL).assignment) == 0
    run.sweep([], 60)  # whoever it asks for has no part in this
    assert run.renew("c1", 0, "k1", tight="500 MiB of its limit of 512").status == OK
    asked = eventually(lambda: run.sweep([], 60).invitations)
    assert {each.memory_mb for each in asked} == {LARGE["memory_mb"]}
    assert run.claim("c2", "k2", **SMALL).assignment is None


def test_memory_that_another_bundle_had_in_use_explains_no_silence(coordination):
    graph = Graph([[], []], [-1, -1], SIZES)
    run = begun(coordination, graph, containers=3, lease_ms=300)
    run.claim("c1", "k1", **SMALL)
    run.renew("c1", 0, "k1", tight="500 MiB of its limit of 512")
    assert names(run.publish("c1", graph.report(0, "k1"), "k2").assignment) == 1
    again = eventually(lambda: run.sweep([], 60) and run.claim("c2", "k3", **SMALL).assignment)
    assert names(again) == 1, "the size will do"


def test_what_is_told_of_silent_containers_has_the_memory_that_was_in_use(coordination):
    run = begun(coordination, Graph([[]]), containers=3, lease_ms=300, attempts=1)
    run.claim("c1", "k1")
    run.renew("c1", 0, "k1", tight="500 MiB of its limit of 512")
    _, bundle, tries, story = msgpack.unpackb(eventually(lambda: run.sweep([], 60).error))
    ((container, why),) = story
    assert (bundle, tries, container) == (0, 1, "c1")
    assert why.startswith("no sign of life since it had 500 MiB of its limit of 512 of memory")


def test_a_run_of_several_sizes_leaves_no_keys(link):
    graph = Graph([[], [0]], [-1, -2], (512, 1024, 2048))
    run = RedisCoordination(link, "run", "epoch")
    run.submit(graph.submission())
    run.claim("c1", "k1", invited=True, **SMALL)
    run.sweep([Dead("c1", "why")], 60, outgrown=["c1"])
    keys = link.call(("KEYS", "*"))[0]
    assert {b"ds:{run}:ready2", b"ds:{run}:invites1", b"ds:{run}:sizes"} <= set(keys)
    ends = link.call(*(("TTL", key) for key in keys))
    assert min(ends) > 0, "each has an expiry"
    run.close()
    assert link.call(("KEYS", "*")) == [[]]
