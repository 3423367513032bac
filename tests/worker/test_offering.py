"""Which bundles may be divided while they run, and in what order their tasks run then."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
from bundle_programs import apart

from dask_serverless.coordination.base import FENCED, LOST, OK, OVER, Assignment, Room, Whom
from dask_serverless.worker.attempt import Attempt
from dask_serverless.worker.bundle import Limit, encode
from dask_serverless.worker.interruption import Interrupt, Interruption
from dask_serverless.worker.invitation import Invitation
from dask_serverless.worker.offering import Offering

TWO_CHAINS = [(0, 0, (), None), (1, 0, (), None), (2, 0, (0,), None), (3, 0, (1,), None)]
LATE = Limit(1.0, 0.1)


def parted(spec):
    """Nobody is asked before it is late."""
    assignment = Assignment(0, encode(spec), [])
    return Offering(None, None, None, None).parted(spec, assignment)


def test_tasks_that_need_one_another_run_one_after_another():
    spec, parting = parted(replace(apart(4, TWO_CHAINS), limit=LATE))
    assert [step[0] for step in spec.program] == [0, 2, 1, 3]
    assert spec.program == parting.program
    assert [turn[:2] for turn in parting.in_turn()] == [(0, 2), (2, 4)]


def test_what_has_no_limit_or_is_all_of_a_piece_runs_as_it_is():
    for spec in (apart(4, TWO_CHAINS), replace(apart(1), limit=LATE)):
        assert parted(spec) == (spec, None)


def test_who_watches_hears_of_what_a_part_is_a_part_also_if_it_has_no_limit():
    told = []
    run = SimpleNamespace(witness=SimpleNamespace(part_of=told.append))
    for limit in (LATE, None):
        spec = replace(apart(4, TWO_CHAINS), limit=limit, whole=7)
        Offering(None, None, run, None).parted(spec, Assignment(9, encode(spec), []))
    assert told == [7, 7]


class Asking:
    """An attempt whose container asks the store, which says this."""

    def __init__(self, room):
        self.room = room
        self.asked, self.invited, self.claims = [], [], []
        self.interruption = Interruption()
        self.interruption.claim = "claim"
        self.means = SimpleNamespace(
            container="me", interruption=self.interruption, invite=self.invited.append
        )
        self.run = SimpleNamespace(coordination=self)
        self.attempt = Attempt("run", "me", 5, "claim")

    def split(self, *asked):
        self.asked.append(asked)
        self.claims.append(self.interruption.claim)
        return self.room

    def offer(self):
        invitation = Invitation("run", "epoch", "store", early=True)
        return Offering(self.means, invitation, self.run, self.attempt).split(None)


def test_while_the_store_is_asked_nothing_is_interrupted_and_then_it_may_be_again():
    asking = Asking(Room(OK, 3))
    assert asking.offer() is asking.room
    assert asking.asked == [("me", 5, "claim", None)]
    assert asking.claims == [""]
    with pytest.raises(Interrupt):
        asking.interruption.ask("claim")


@pytest.mark.parametrize("status", [LOST, OVER, FENCED])
def test_a_bundle_that_is_somebody_elses_is_left_at_once(status):
    asking = Asking(Room(status, invitations=[Whom()]))
    with pytest.raises(Interrupt):
        asking.offer()
    asking.interruption.ask("claim")  # of what comes after it
    assert asking.invited == []


def test_whoever_the_store_names_is_invited_to_the_parts():
    asking = Asking(Room(OK, divided=True, invitations=[Whom(3, "other", 512), Whom()]))
    asking.offer()
    told = [(each.slot, each.container, each.memory_mb) for each in asking.invited]
    assert told == [(3, "other", 512), (None, "", 0)]
    assert all(each.asked and not each.early for each in asking.invited)
