"""Which bundles may be divided while they run, and in what order their tasks run then."""

from __future__ import annotations

from dataclasses import replace

from bundle_programs import apart

from dask_serverless.coordination.base import Assignment
from dask_serverless.worker.bundle import Limit, encode
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
