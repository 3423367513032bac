"""Outputs that stay in a container's memory, over the memory twin and over a real server."""

from __future__ import annotations

from time import sleep

from bundle_graphs import Graph, names

from dask_serverless.coordination.base import OK, maker
from dask_serverless.coordination.untold import Dead

CHAIN = Graph([[], [0], [1], [2]])
JOIN = Graph([[], [], [0, 1], [2]])
FORK = Graph([[], [0], [0], [1, 2]])


def begun(coordination, graph, **options):
    run = coordination()
    run.submit(graph.submission(**options))
    return run


def test_a_child_that_goes_on_here_gets_its_input_from_memory(coordination):
    run = begun(coordination, CHAIN)
    run.claim("c1", "k1")
    answer = run.publish("c1", CHAIN.near(0, "k1", [1]), "k2")
    assert names(answer.assignment) == 1
    assert [maker(reference) for reference in answer.assignment.inputs] == [0]
    assert (answer.assignment.makers, answer.held) == ([], [])
    assert len(run.news("0-0", 0).events) == 1


def test_a_child_that_lacks_other_inputs_is_not_told_of_what_is_in_memory(coordination):
    run = begun(coordination, JOIN)
    run.claim("c1", "k1")
    run.claim("c2", "k2")
    answer = run.publish("c1", JOIN.near(0, "k1", [2]), "k3")
    assert (answer.assignment, answer.held) == (None, [0])
    assert not run.news("0-0", 0).events
    stored = run.publish("c1", JOIN.near(0, "k1", [], reference=b"rzero"), "k4")
    assert (stored.assignment, stored.held) == (None, [])
    last = run.publish("c2", JOIN.near(1, "k2", [2]), "k5")
    assert names(last.assignment) == 2
    assert last.assignment.inputs == [b"rzero", b"l1"]


def test_who_holds_something_back_may_do_something_else_meanwhile(coordination):
    graph = Graph([[], [], [], [0, 1]])
    run = begun(coordination, graph)
    run.claim("c1", "k1")
    run.claim("c2", "k2")
    answer = run.publish("c1", graph.near(0, "k1", [3], patient=True), "k3")
    assert (names(answer.assignment), answer.held) == (2, [0])
    run.publish("c2", graph.report(1, "k2"), "")
    held = [graph.near(0, "k1", [3], patient=True)]
    answer = run.publish("c1", graph.report(2, "k3"), "k4", held=held)
    assert (names(answer.assignment), answer.held) == (3, [])
    assert answer.assignment.inputs == [b"l0", b"i1"]


def test_two_that_hold_back_for_the_same_child_do_not_wait_for_each_other(coordination):
    run = begun(coordination, JOIN)
    run.claim("c1", "k1")
    run.claim("c2", "k2")
    assert run.publish("c1", JOIN.near(0, "k1", [2], patient=True), "k3").assignment is None
    assert run.publish("c2", JOIN.near(1, "k2", [2], patient=True), "k4").assignment is None
    run.publish("c1", JOIN.near(0, "k1", [], reference=b"rzero"), "")
    answer = run.publish("c2", JOIN.near(1, "k2", [2]), "k5")
    assert names(answer.assignment) == 2


def test_several_children_run_here_one_after_another(coordination):
    run = begun(coordination, FORK)
    run.claim("c1", "k1")
    first = run.publish("c1", FORK.near(0, "k1", [1, 2], patient=True), "k2")
    assert (names(first.assignment), first.held) == (1, [0])
    held = [FORK.near(0, "k1", [2], before=[1], patient=True)]
    second = run.publish("c1", FORK.near(1, "k2", [3], patient=True), "k3", held=held)
    assert (names(second.assignment), second.held) == (2, [1])
    held = [FORK.near(1, "k2", [3])]
    third = run.publish("c1", FORK.near(2, "k3", [3]), "k4", held=held)
    assert (names(third.assignment), third.held) == (3, [])
    assert third.assignment.inputs == [b"l1", b"l2"]


def test_whoever_takes_over_learns_what_makes_lost_inputs_back_to_stored_ones(coordination):
    run = begun(coordination, CHAIN)
    run.claim("c1", "k1")
    run.publish("c1", CHAIN.report(0, "k1", b"rzero"), "k2")
    run.publish("c1", CHAIN.near(1, "k2", [2]), "k3")
    released = run.publish("c1", CHAIN.near(2, "k3", [3]), "k4").released
    assert released == []
    run.sweep([Dead("c1", "killed")], 60)
    answer = run.claim("c2", "k5")
    assert names(answer.assignment) == 3
    makers = {each.bundle: each.inputs for each in answer.assignment.makers}
    assert makers == {2: [b"l1"], 1: [b"rzero"]}
    done = run.publish("c2", CHAIN.report(3, "k5"), "")
    assert done.released == [b"rzero"]
    assert run.outputs([0, 1, 2, 3]) == [None, None, None, b"i3"]


def test_what_is_held_by_a_lost_container_runs_again(coordination):
    run = begun(coordination, FORK)
    run.claim("c1", "k1")
    run.publish("c1", FORK.near(0, "k1", [1, 2], patient=True), "k2")
    run.sweep([Dead("c1", "killed")], 60)
    taken = {names(run.claim(f"c{n}", f"k{n}").assignment) for n in (3, 4)}
    assert taken == {0, 1}


def test_an_input_that_was_made_again_and_stored_meanwhile_is_taken_from_there(coordination):
    run = begun(coordination, FORK)
    run.claim("c1", "k1")
    run.publish("c1", FORK.near(0, "k1", [1, 2], patient=True), "k2")
    run.sweep([Dead("c1", "killed")], 60)
    assert names(run.claim("c2", "k3").assignment) == 0
    run.publish("c2", FORK.near(0, "k3", [], reference=b"ragain"), "")
    answer = run.claim("c3", "k4")
    assert (names(answer.assignment), answer.assignment.inputs) == (1, [b"ragain"])
    assert answer.assignment.makers == []


def test_a_renewal_is_for_what_is_held_too(coordination):
    run = begun(coordination, FORK, lease_ms=300)
    run.claim("c1", "k1")
    run.publish("c1", FORK.near(0, "k1", [1, 2], patient=True), "k2")
    for _ in range(4):
        sleep(0.12)
        assert run.renew("c1", 1, "k2").status == OK
    run.sweep((), 60)
    answer = run.publish(
        "c1", FORK.report(1, "k2"), "k3", held=[FORK.near(0, "k1", [2], before=[1])]
    )
    assert names(answer.assignment) == 2


def test_who_asks_anew_holds_nothing_any_more(coordination):
    run = begun(coordination, FORK)
    run.claim("c1", "k1")
    run.publish("c1", FORK.near(0, "k1", [1, 2], patient=True), "k2")
    run.claim("c1", "k3")
    run.sweep((), 60)
    assert names(run.claim("c2", "k4").assignment) == 0


def test_a_repeated_call_gives_the_child_that_it_gave_before(coordination):
    run = begun(coordination, FORK)
    run.claim("c1", "k1")
    report = FORK.near(0, "k1", [1, 2])
    first = run.publish("c1", report, "k2")
    again = run.publish("c1", report, "k2")
    assert names(first.assignment) == names(again.assignment) == 1
    assert first.held == again.held == [0]


def test_a_held_bundle_that_somebody_else_has_by_now_is_left_out(coordination):
    run = begun(coordination, FORK, lease_ms=60_000)
    run.claim("c1", "k1")
    run.publish("c1", FORK.near(0, "k1", [1, 2], patient=True), "k2")
    held = [FORK.near(0, "old", [2], before=[1], patient=True)]
    answer = run.publish("c1", FORK.report(1, "k2"), "k3", held=held)
    assert (answer.status, answer.held) == (OK, [])


def test_a_slot_of_another_container_keeps_its_bundles(coordination):
    graph = Graph([[], [], [0]], [0, 1, 1])
    run = begun(coordination, graph)
    run.claim("c1", "k1")
    run.claim("c2", "k2")
    answer = run.publish("c1", graph.near(0, "k1", [2]), "k3")
    assert (answer.assignment, answer.held) == (None, [0])


def test_what_stays_in_memory_is_nowhere_to_be_deleted(coordination):
    run = begun(coordination, CHAIN)
    run.claim("c1", "k1")
    run.publish("c1", CHAIN.near(0, "k1", [1]), "k2")
    assert run.references() == []
    assert run.close().references == []
