"""The machine: each legal transition's instructions, and what it refuses."""

from __future__ import annotations

from itertools import product
from typing import get_args

import pytest

from dask_serverless.coordination.base import (
    ANYONE,
    FENCED,
    LOST,
    OK,
    OVER,
    Answer,
    Assignment,
    Whom,
)
from dask_serverless.errors import IllegalTransition
from dask_serverless.worker import machine as m
from dask_serverless.worker.machine import State

BUNDLE = Assignment(7, b"spec", [])
NEXT = Assignment(8, b"next", [])
EVENTS = {
    m.Invited: m.Invited(),
    m.Answered: m.Answered(Answer(OK)),
    m.Fetched: m.Fetched(),
    m.Ran: m.Ran(),
    m.Raised: m.Raised(b"error"),
    m.Interrupted: m.Interrupted(),
    m.Unanswered: m.Unanswered("why"),
}
ROUTES = {
    State.IDLE: [],
    State.CLAIMING: [m.Invited()],
    State.FETCHING: [m.Invited(), m.Answered(Answer(OK, BUNDLE))],
    State.RUNNING: [m.Invited(), m.Answered(Answer(OK, BUNDLE)), m.Fetched()],
    State.PUBLISHING: [m.Invited(), m.Answered(Answer(OK, BUNDLE)), m.Fetched(), m.Ran()],
    State.FAILING: [m.Invited(), m.Answered(Answer(OK, BUNDLE)), m.Fetched(), m.Raised(b"e")],
}


def machine(state=State.IDLE):
    machine = m.Machine(iter(f"k{number}" for number in range(100)))
    for event in ROUTES[state]:
        machine.handle(event)
    assert machine.state is state
    return machine


@pytest.mark.parametrize(
    ("state", "event", "instructions", "then"),
    [
        (State.IDLE, m.Invited(), [m.Claim("k0", None, True)], State.CLAIMING),
        (State.IDLE, m.Invited(3), [m.Claim("k0", 3, True)], State.CLAIMING),
        (
            State.CLAIMING,
            m.Answered(Answer(OK, BUNDLE)),
            [m.Fetch(BUNDLE, "k0")],
            State.FETCHING,
        ),
        (
            State.CLAIMING,
            m.Answered(Answer(OK, BUNDLE, [ANYONE, Whom(1, "c")])),
            [m.Invite([ANYONE, Whom(1, "c")]), m.Fetch(BUNDLE, "k0")],
            State.FETCHING,
        ),
        (State.CLAIMING, m.Answered(Answer(OK)), [m.Leave()], State.IDLE),
        (State.CLAIMING, m.Answered(Answer(LOST)), [m.Leave()], State.IDLE),
        (State.CLAIMING, m.Answered(Answer(OVER)), [m.Leave()], State.IDLE),
        (State.CLAIMING, m.Unanswered("w"), [m.Complain("w"), m.Leave()], State.IDLE),
        (State.FETCHING, m.Fetched(), [m.Execute()], State.RUNNING),
        (State.FETCHING, m.Raised(b"e"), [m.Fail(7, "k0", b"e")], State.FAILING),
        (State.FETCHING, m.Interrupted(), [m.Leave()], State.IDLE),
        (State.FETCHING, m.Unanswered("w"), [m.Complain("w"), m.Leave()], State.IDLE),
        (State.RUNNING, m.Ran(), [m.Publish(7, "k0", "k1")], State.PUBLISHING),
        (State.RUNNING, m.Raised(b"e"), [m.Fail(7, "k0", b"e")], State.FAILING),
        (State.RUNNING, m.Interrupted(), [m.Leave()], State.IDLE),
        (
            State.PUBLISHING,
            m.Answered(Answer(OK, NEXT)),
            [m.Fetch(NEXT, "k1")],
            State.FETCHING,
        ),
        (State.PUBLISHING, m.Answered(Answer(OK)), [m.Leave()], State.IDLE),
        (
            State.PUBLISHING,
            m.Answered(Answer(OK, released=[b"r"])),
            [m.Delete([b"r"]), m.Leave()],
            State.IDLE,
        ),
        (
            State.PUBLISHING,
            m.Answered(Answer(FENCED)),
            [m.Discard(), m.Claim("k2", None, False)],
            State.CLAIMING,
        ),
        (State.PUBLISHING, m.Answered(Answer(OVER)), [m.Discard(), m.Leave()], State.IDLE),
        (State.PUBLISHING, m.Answered(Answer(LOST)), [m.Discard(), m.Leave()], State.IDLE),
        (
            State.PUBLISHING,
            m.Answered(Answer(OK, held=[7])),
            [m.Publish(7, "k0", "k2", store=True)],
            State.PUBLISHING,
        ),
        (State.PUBLISHING, m.Raised(b"e"), [m.Fail(7, "k0", b"e")], State.FAILING),
        (State.PUBLISHING, m.Unanswered("w"), [m.Complain("w"), m.Leave()], State.IDLE),
        (State.FAILING, m.Answered(Answer(OK)), [m.Leave()], State.IDLE),
        (State.FAILING, m.Answered(Answer(FENCED)), [m.Leave()], State.IDLE),
        (State.FAILING, m.Unanswered("w"), [m.Complain("w"), m.Leave()], State.IDLE),
    ],
)
def test_a_legal_transition(state, event, instructions, then):
    container = machine(state)
    assert container.handle(event) == instructions
    assert container.state is then


@pytest.mark.parametrize(
    ("state", "kind"), [pair for pair in product(State, EVENTS) if pair not in m.TABLE]
)
def test_an_illegal_event_is_an_error_that_tells_the_story(state, kind):
    container = machine(state)
    with pytest.raises(IllegalTransition, match=state.value) as caught:
        container.handle(EVENTS[kind])
    assert kind.__name__ in caught.value.event
    assert container.state is state


def test_every_kind_of_event_is_in_the_table():
    assert {kind for _, kind in m.TABLE} == set(get_args(m.Event)) == set(EVENTS)


def test_every_state_can_be_reached_and_left():
    reached = {target for _, targets in m.TABLE.values() for target in targets}
    assert reached == {state for state, _ in m.TABLE} == set(State)


def test_claims_are_never_used_twice():
    container = machine(State.PUBLISHING)
    claims = ["k0", container.following]
    for _ in range(5):
        container.handle(m.Answered(Answer(OK, NEXT)))
        container.handle(m.Fetched())
        (publish,) = container.handle(m.Ran())
        assert publish.claim == claims[-1]
        claims.append(publish.following)
    assert len(set(claims)) == len(claims)


def test_what_is_held_back_goes_with_the_next_publish_and_is_stored_when_nothing_is_left_to_do():
    container = machine(State.PUBLISHING)
    container.handle(m.Answered(Answer(OK, NEXT, held=[7])))
    container.handle(m.Fetched())
    assert container.handle(m.Ran()) == [m.Publish(8, "k1", "k2", ((7, "k0"),))]
    assert container.handle(m.Answered(Answer(OK, held=[7, 8]))) == [
        m.Publish(8, "k1", "k3", ((7, "k0"),), store=True)
    ]
    assert container.handle(m.Answered(Answer(OK))) == [m.Leave()]


def test_who_leaves_for_another_run_holds_nothing_back():
    container = machine(State.PUBLISHING)
    container.handle(m.Answered(Answer(OK, NEXT, held=[7])))
    container.handle(m.Fetched())
    ran = container.handle(m.Ran(others_wait=True))
    assert ran == [m.Publish(8, "k1", "", ((7, "k0"),), store=True)]


def test_who_lost_its_claim_has_lost_what_it_held():
    container = machine(State.PUBLISHING)
    container.handle(m.Answered(Answer(OK, NEXT, held=[7])))
    container.handle(m.Fetched())
    container.handle(m.Ran())
    container.handle(m.Answered(Answer(FENCED)))
    container.handle(m.Answered(Answer(OK, NEXT)))
    container.handle(m.Fetched())
    assert container.handle(m.Ran())[0].held == ()


def test_a_container_works_again_after_any_end():
    container = machine(State.FAILING)
    container.handle(m.Answered(Answer(OK)))
    assert container.handle(m.Invited())[0].claim not in ("k0", "")


def test_the_diagram_shows_every_transition():
    lines = m.diagram().splitlines()
    assert lines[0] == "stateDiagram-v2"
    assert "    idle --> claiming: Invited" in lines
    assert len(lines) == 2 + sum(len(targets) for _, targets in m.TABLE.values())
