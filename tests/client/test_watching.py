"""What a run tells whoever looks at it, where the store is gone."""

from __future__ import annotations

import time

from dask_serverless.client.store_watch import StoreWatch
from dask_serverless.store.address import parse
from dask_serverless.store.link import NETWORK_PATIENCE_SECONDS, Link
from dask_serverless.worker.rhythm import Rhythm


def test_the_error_of_a_run_does_not_wait_for_a_store_that_is_gone():
    """Each telling used to take the patience of a run: the error came after 45 s instead of 15."""
    link = Link(parse("redis://127.0.0.1:1"))
    watch = StoreWatch(link, Rhythm(1, 1.0), "redis://127.0.0.1:1", [], listed=True)
    begun = time.monotonic()
    assert watch.attempt(("PING",)) == []
    watch.bound("run", 1)
    assert time.monotonic() - begun < NETWORK_PATIENCE_SECONDS - 2
    assert link.patience_seconds == NETWORK_PATIENCE_SECONDS
