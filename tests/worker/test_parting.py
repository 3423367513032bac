"""A bundle that takes too long hands over what has not begun: when, to whom, how much, and what is left."""

from __future__ import annotations

from math import inf

import pytest
from bundle_programs import apart

from dask_serverless.coordination.base import OK, Room
from dask_serverless.errors import StoreFull
from dask_serverless.worker import parting
from dask_serverless.worker.bundle import Limit, decode
from dask_serverless.worker.parting import MOST_PARTS, TRIES, Parting

NOBODY = Room(OK, 0, 5)
ONE = Room(OK, 1, 5)
DONE = Room(OK, 0, 9, divided=True)


class Store:
    """Says this in turn; the last of it again and again."""

    def __init__(self, *rooms):
        self.rooms = list(rooms)
        self.asked, self.divisions = [], []

    def split(self, division):
        self.asked.append(division)
        if division is not None:
            self.divisions.append(division)
        room = self.rooms.pop(0) if len(self.rooms) > 1 else self.rooms[0]
        if isinstance(room, Exception):
            raise room
        return room


@pytest.fixture
def clock(monkeypatch):
    """Tells the time that a test gives it."""

    class Clock:
        now = 0.0

    monkeypatch.setattr(parting, "perf_counter", lambda: Clock.now)
    return Clock


def run(clock, store, tasks=8, limit=(0.5, 0.01), spec=None, seconds=1.0):
    """Each piece takes so long; the parting, and at which pieces the store was asked."""
    parts = Parting(spec or apart(tasks), 3, Limit(*limit), store.split)
    parts.ran, parts.looks, asked = [], [], 0
    for first, last, keep in parts.in_turn():
        if len(store.asked) > asked:
            parts.looks.append(len(parts.ran))
            asked = len(store.asked)
        parts.ran.append((first, last, set(keep)))
        clock.now += seconds
    return parts


def outs(spec):
    return [step[0] for step in decode(spec, pytest.fail).program]


def test_one_that_is_in_time_asks_nobody_and_runs_as_it_is(clock):
    store = Store(ONE)
    for seconds in (inf, 8.0):  # which it reaches, and does not pass
        parts = run(clock, store, limit=(seconds, 0.01))
        assert [(first, last) for first, last, _ in parts.ran] == [(n, n + 1) for n in range(8)]
        assert store.asked == []


@pytest.mark.parametrize("done", [DONE, Room(OK, 1, 9, divided=True)])
def test_others_get_the_pieces_that_have_not_begun_and_it_goes_on_with_its_share(clock, done):
    store = Store(ONE, done, NOBODY)
    parts = run(clock, store)
    (division,) = store.divisions
    assert outs(division.kept) == [0, 1, 2]  # one has run, two are its share of seven in four
    assert [outs(part) for part in division.parts] == [[3, 4], [5, 6], [7]]
    assert division.first == 5 and len(parts.ran) == 3
    assert [step[0] for step in parts.spec.program] == [0, 1, 2]
    limits = [decode(part, pytest.fail).limit for part in division.parts]
    assert limits == [Limit(0.01, 0.01)] * 3


def test_where_nobody_has_time_it_asks_again_later_and_ever_less_often(clock):
    store = Store(NOBODY)
    parts = run(clock, store, tasks=12)
    assert parts.looks == [1, 2, 3, 4, 6, 8]
    assert store.divisions == [] and len(parts.ran) == 12


@pytest.mark.parametrize(("others_seconds", "last"), [(1.0, 6), (2.0, 4)])
def test_it_asks_for_what_is_worth_two_invitations_at_least(
    clock, monkeypatch, others_seconds, last
):
    """By how long its pieces took so far."""
    monkeypatch.setattr(parting, "LATER", 0.0)
    parts = run(clock, Store(NOBODY), limit=(0.5, others_seconds))
    assert parts.looks == list(range(1, last + 1))


@pytest.mark.parametrize(
    ("containers", "others_seconds", "parts"),
    [(1, 0.01, 3), (2, 0.01, 5), (1, 33.0, 2), (1000, 0.01, MOST_PARTS - 1)],
)
def test_two_parts_for_each_container_are_enough_if_each_is_worth_it(
    clock, containers, others_seconds, parts
):
    store = Store(Room(OK, containers, 5), DONE)
    run(clock, store, tasks=101, limit=(0.5, others_seconds))
    assert len(store.divisions[0].parts) == parts


def test_who_was_too_late_numbers_its_parts_again(clock):
    store = Store(ONE, Room(OK, 1, 7), Room(OK, 1, 8), DONE)
    run(clock, store)
    assert [division.first for division in store.divisions] == [5, 7, 8]


@pytest.mark.parametrize(
    ("answer", "tries"), [(ONE, TRIES), (NOBODY, 1), (StoreFull("redis://store", "full"), 1)]
)
def test_what_nobody_took_over_stays_its_own(clock, monkeypatch, answer, tries):
    monkeypatch.setattr(parting, "LATER", 100.0)  # it asks once
    store = Store(ONE, answer)
    parts = run(clock, store)
    assert len(store.divisions) == tries
    assert len(parts.ran) == len(parts.spec.program) == 8


def test_what_is_too_much_for_one_call_is_never_handed_over(clock, monkeypatch):
    monkeypatch.setattr(parting, "MOST_BYTES", 10)
    store = Store(ONE)
    parts = run(clock, store)
    assert (parts.looks, store.divisions, len(parts.ran)) == ([1], [], 8)


def test_what_was_handed_over_may_be_followed_by_more_of_the_rest(clock):
    store = Store(ONE, DONE, ONE, DONE)
    parts = run(clock, store, tasks=40)
    kept = [outs(division.kept) for division in store.divisions]
    assert len(kept) > 1 and kept[-1] == kept[0][: len(kept[-1])]
    assert len(parts.ran) == len(kept[-1])


def test_after_each_piece_stays_what_is_stored_or_taken_by_others(clock):
    program = [(0, 0, (9, 8), None), (1, 0, (0,), None), (2, 0, (9,), None)]
    parts = run(clock, Store(ONE), spec=apart(0, program=program, stored=(1, 2)), limit=(inf, 1.0))
    assert parts.ran == [(0, 2, {1, 9}), (2, 3, {2, 9})]


def test_what_looking_after_others_took_is_no_time_of_its_tasks(clock):
    def split(division):
        clock.now += 0.25
        return NOBODY

    parts = Parting(apart(4), 3, Limit(0.5, 0.01), split)
    for _ in parts.in_turn():
        clock.now += 1.0
    assert parts.asking == pytest.approx(0.5)
