"""Pre-loaded inputs: fetched while the bundle before still runs, in real containers."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass

import dask
import numpy as np
import pytest
from dask.delayed import delayed
from naps import nap

from benchmarks.network.apart import Apart
from benchmarks.network.proxy import Proxy
from dask_serverless import Serverless
from planners.plans.annotations import PreloadInputs
from planners.plans.plan import Plan

NBYTES = 8_000_000
RATE = 20e6  # bytes a second: 0.4 s for a block


@dataclass(frozen=True)
class TwoSlots:
    """A nap in slot 0, a block in slot 1, and what needs both in slot 0 again."""

    preload: bool

    name = "two-slots"

    def plan(self, dag, resources):
        notes = (PreloadInputs(0.4, 2, (1,)),) if self.preload else ()
        ids = np.arange(3, dtype=np.int32)
        slots = np.array([0, 1, 0], dtype=np.int32)
        return Plan(self.name, ids, slots, np.zeros(3, dtype=np.int32), notes)


def first_of(napped, block):
    block[0] += 1  # it is the task's own
    return float(block[0])


def die_once(seconds, marker):
    time.sleep(seconds)
    if not os.path.exists(marker):
        open(marker, "w").close()
        os.kill(os.getpid(), signal.SIGKILL)
    return 1


def late(seconds=1.2):
    napped = delayed(nap, pure=False)(seconds)
    block = delayed(np.zeros, pure=False)(NBYTES // 8)
    return delayed(first_of, pure=False)(napped, block)


@pytest.fixture(scope="module")
def far(store_url):
    with Proxy(store_url, bytes_per_second=RATE) as proxy:
        scheduler = Serverless(store=proxy.url, backend=Apart(2), attempts=5)
        dask.compute([delayed(nap)(0.1), delayed(nap, pure=False)(0.1)], scheduler=scheduler)
        yield scheduler, proxy
        scheduler.close()


def computed(far, preload, **options):
    scheduler, proxy = far
    view = scheduler.options(planner=TwoSlots(preload), **options)
    before = proxy.figures.bytes_down
    assert dask.compute(late(), scheduler=view) == (1.0,)
    return view.last_run, proxy.figures.bytes_down - before


def test_the_download_is_over_when_the_bundle_is_ready(far):
    (without, plain), (with_it, ahead) = computed(far, False), computed(far, True)
    saved = without.makespan_seconds - with_it.makespan_seconds
    assert saved > 0.5 * NBYTES / RATE
    assert max(plain, ahead) < 1.1 * NBYTES  # fetched once, not once by each thread
    told = with_it.optimizations["preload"]
    assert told.times == 1 and told.saved_seconds > 0.5 * NBYTES / RATE
    assert f"{told.saved_seconds:.3f} s by what came" in str(with_it)


def test_it_is_switched_off_by_the_setting(far):
    report, _ = computed(far, True, optimizations=["prewarm", "task_dup"])
    assert report.optimizations == {}


def test_a_download_that_is_still_under_way_is_waited_for(far):
    scheduler, proxy = far
    before = proxy.figures.bytes_down
    view = scheduler.options(planner=TwoSlots(True))
    assert dask.compute(late(0.6), scheduler=view) == (1.0,)
    assert proxy.figures.bytes_down - before < 1.1 * NBYTES


def test_a_container_killed_while_it_fetches_ahead_is_replaced(far, tmp_path):
    """Its slot goes to another container, which fetches for itself."""
    scheduler, _ = far
    view = scheduler.options(planner=TwoSlots(True))
    napped = delayed(die_once, pure=False)(0.9, str(tmp_path / "died"))
    block = delayed(np.zeros, pure=False)(NBYTES // 8)
    assert dask.compute(delayed(first_of, pure=False)(napped, block), scheduler=view) == (1.0,)
    assert (tmp_path / "died").exists()
