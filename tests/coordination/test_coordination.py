"""The contract of coordination, over the memory twin and over a real server."""

from __future__ import annotations

import time

import msgpack
from awaiting import eventually
from bundle_graphs import CHAIN, FORK, JOIN, Graph, begun, names

from dask_serverless.coordination.base import FENCED, LOST, OK, OVER, What, Whom
from dask_serverless.coordination.untold import Dead


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


def test_a_loss_says_since_when_the_container_had_the_bundle(coordination):
    run = begun(coordination, CHAIN, attempts=1)
    run.claim("c1", "k1")
    run.publish("c1", CHAIN.report(0, "k1"), "k2")
    time.sleep(0.1)
    *_, story = msgpack.unpackb(run.sweep([Dead("c1", "killed")], 60).error)
    assert 100 <= story[0][2] - story[0][3] < 60_000


def test_a_bundle_whose_containers_get_lost_again_and_again_fails_the_run(coordination):
    run = begun(coordination, CHAIN, attempts=2)
    for number in range(2):
        assert names(run.claim(f"c{number}", f"k{number}").assignment) == 0
        condition = run.sweep([Dead(f"c{number}", f"killed by test {number}")], 60)
    assert (condition.status, condition.why) == (OVER, "failed")
    *what, story = msgpack.unpackb(condition.error)
    assert what == ["lost", 0, 2]
    assert [end[:2] for end in story] == [["c0", "killed by test 0"], ["c1", "killed by test 1"]]
    (_, _, first, begun_first), (_, _, second, begun_second) = story
    assert 0 < begun_first <= first <= begun_second <= second < first + 60_000
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


def test_a_submission_sent_twice_is_one(coordination):
    """A reply got lost and the link sent everything again, while a container was quick."""
    run = coordination()
    submission = CHAIN.submission()
    run.submit(submission)
    run.submit(submission)
    assert names(run.claim("c1", "k1").assignment) == 0
    assert run.claim("c2", "k2").assignment is None
