"""Who is asked for, how often, and what becomes of those who do not come: the contract."""

from __future__ import annotations

from awaiting import eventually
from bundle_graphs import FORK, Graph, begun, names

from dask_serverless.coordination.base import OK, Whom
from dask_serverless.coordination.untold import Dead


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
