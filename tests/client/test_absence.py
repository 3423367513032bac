"""Runs for which nobody works, as their client takes it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from dask_serverless.backends.asked import Start
from dask_serverless.backends.base import Loss
from dask_serverless.client.absence import Absence
from dask_serverless.client.losses import Losses
from dask_serverless.coordination.base import OK, Condition
from dask_serverless.errors import ContainersAbsent, ContainersNotStarting
from dask_serverless.worker.invitation import Invitation

NOBODY, AT_WORK = Condition(OK), Condition(OK, working=1)


class Asked:
    """A platform that has no room."""

    starting = Start("http.start_seconds", seconds=1e-9)

    def standing(self, run):
        return f"it answered {run} nothing"


def test_nobody_at_work_for_too_long_ends_a_run():
    absence = Absence(Asked(), "a run")
    with pytest.raises(ContainersAbsent, match="it answered a run nothing.*http.start_seconds"):
        for _ in range(2):
            absence.look(NOBODY)


@pytest.mark.parametrize("condition", [AT_WORK, Condition(OK, done=1)])
def test_whoever_works_and_whatever_gets_done_begins_the_wait_anew(condition):
    absence = Absence(Asked(), "a run")
    absence.since = 0.0
    absence.look(condition)
    assert absence.since is None


def test_who_knows_its_containers_is_not_hurried():
    absence = Absence(object(), "a run")
    absence.since = 0.0
    absence.look(NOBODY)


def test_requests_that_gateways_refuse_end_no_run_while_a_container_is_at_work():
    around = SimpleNamespace(backend=object(), attempts=2)
    losses = Losses(around, Invitation("run", "epoch", ""))
    for _ in range(3):
        losses.gone(Loss("", "it answered 503", claimed=False))
    losses.check(None, AT_WORK)
    for _ in range(2):
        losses.gone(Loss("", "it answered 503", claimed=False))
    with pytest.raises(ContainersNotStarting, match="it answered 503"):
        losses.check(None, NOBODY)
