"""The end of a run: complete, whatever fails in it and whenever Ctrl-C comes."""

from __future__ import annotations

import gc
import os

import dask
import numpy as np
import pytest
from awaiting import eventually
from dask import delayed
from interrupts import at_every_step

from dask_serverless import Serverless

ENDING = ("dask_serverless.client.ending",)


def large(number):
    return np.full(20_000, number)


def total(arrays):
    return int(sum(array.sum() for array in arrays))


def with_blobs():
    """Its outputs are files, so that the end of the run has folders to remove."""
    return delayed(total)([delayed(large)(number) for number in range(4)])


def nothing_is_left(client, link):
    folders = [os.listdir(path) for path in client._engine.folders.paths]
    return not any(folders) and link.call(("KEYS", "ds:*")) == [[]]


@pytest.mark.parametrize("graph", [lambda: delayed(sum)([1, 2]), with_blobs])
def test_ctrl_c_at_any_step_of_an_end_leaves_nothing(graph, store_url, link):
    with Serverless(containers=2, store=store_url) as client:
        (expected,) = dask.compute(graph(), scheduler=client)
        steps = 0
        for steps in at_every_step(ENDING, lambda: dask.compute(graph(), scheduler=client)):
            if steps % 7 == 0:
                assert dask.compute(graph(), scheduler=client) == (expected,), steps
                assert gc.isenabled(), steps
        assert steps > 30
        assert dask.compute(graph(), scheduler=client) == (expected,)
        eventually(lambda: nothing_is_left(client, link), 10)
    assert link.call(("KEYS", "ds:*")) == [[]]
