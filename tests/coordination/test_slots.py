"""Bundles that wait for the container that has their slot: the contract."""

from __future__ import annotations

from bundle_graphs import Graph, begun, names

from dask_serverless.coordination.base import Whom
from dask_serverless.coordination.untold import Dead


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
