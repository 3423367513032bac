"""What a run that the store has lost is put down to."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from dask_serverless.backends.listeners import Listeners
from dask_serverless.client.lookout import Lookout
from dask_serverless.client.losses import Losses
from dask_serverless.coordination.base import LOST, Condition
from dask_serverless.errors import PlatformUnavailable, RunLost
from dask_serverless.worker.invitation import Invitation


class Gone(Listeners):
    """A platform that came between the containers and their owner."""

    def outage(self):
        return PlatformUnavailable("docker", "no Docker daemon answers any more")


@pytest.mark.parametrize(("backend", "error"), [(Listeners, RunLost), (Gone, PlatformUnavailable)])
def test_a_run_is_lost_by_the_store_or_by_a_platform_that_is_gone(backend, error):
    losses = Losses(SimpleNamespace(backend=backend()), Invitation("run-1", "epoch", "store"))
    lookout = Lookout.__new__(Lookout)
    lookout.losses = losses
    with pytest.raises(error):
        lookout.heed(Condition(LOST))
