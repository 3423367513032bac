"""What optimizations have saved, as reports have it, beside what came of runs without them."""

from __future__ import annotations

from dataclasses import dataclass

import dask
import numpy as np
import pytest
from dask.delayed import delayed
from naps import nap

from benchmarks.network.apart import Apart
from benchmarks.network.proxy import Proxy
from dask_serverless import Serverless
from dask_serverless.client.report import Asked
from planners.cost.model import CostModel
from planners.cost.platform import Platform
from planners.numbers.names import short_name
from planners.numbers.predictions import Constant
from planners.optimizations.optimization import Optimized
from planners.plans.annotations import DuplicateTask
from planners.plans.plan import FLEXIBLE, Plan

NBYTES = 8_000_000
RATE = 20e6  # bytes a second: 0.4 s for a block
TRANSFER_SECONDS = NBYTES / RATE


@dataclass(frozen=True)
class Planned:
    """For every task a bundle of its own, in these slots, with these annotations."""

    slots: tuple[int, ...]
    notes: tuple[object, ...] = ()

    name = "planned"

    def plan(self, dag, resources):
        ids = np.arange(dag.tasks, dtype=np.int32)
        slots = np.array(self.slots, dtype=np.int32)
        return Plan(self.name, ids, slots, np.zeros_like(slots), self.notes)


@pytest.fixture(scope="module")
def far(store_url):
    with Proxy(store_url, rtt_seconds=0.002, bytes_per_second=RATE) as proxy:
        scheduler = Serverless(store=proxy.url, backend=Apart(2))
        dask.compute([delayed(nap)(0.1), delayed(nap, pure=False)(0.1)], scheduler=scheduler)
        yield scheduler
        scheduler.close()


def computed(far, graph, planner, **options):
    view = far.options(planner=planner, **options)
    found = dask.compute(graph, scheduler=view, optimize_graph=False)
    return found[0], view.last_run


def first_of(number, *blocks):
    return float(sum(block[0] for block in blocks))


@dataclass(frozen=True)
class Copying:
    """A nap in slot 0, zeros and random numbers in slot 1, and what needs all in slot 0 again."""

    copies: bool
    slots_of: tuple[tuple[str, int], ...] = (("zeros", 1), ("drawn", 1))

    name = "copying"

    def plan(self, dag, resources):
        names = [short_name(dag.function_names[each]) for each in dag.functions]
        slots = [dict(self.slots_of).get(name, 0) for name in names]
        note = DuplicateTask(0.8, names.index("first_of"), names.index("zeros"))
        return Planned(tuple(slots), (note,) if self.copies else ()).plan(dag, resources)


def drawn(seed):
    return np.random.default_rng(seed).random(NBYTES // 8)


def elsewhere():
    blocks = delayed(np.zeros, pure=True)(NBYTES // 8), delayed(drawn, pure=False)(1)
    return delayed(first_of, pure=False)(delayed(nap, pure=False)(0.05), *blocks)


def test_a_copy_saves_the_transfer_that_it_was_run_for(far):
    """By the rate of the other transfer: the plan knows of none."""
    _, without = computed(far, elsewhere(), Copying(False))
    _, with_it = computed(far, elsewhere(), Copying(True))
    assert without.bytes_moved > 2 * NBYTES > with_it.bytes_moved
    asked = with_it.optimizations["task_dup"]
    assert (asked.times, asked.planned_seconds) == (1, 0.8)
    assert without.makespan_seconds - with_it.makespan_seconds > TRANSFER_SECONDS
    assert TRANSFER_SECONDS < asked.saved_seconds < 20 * TRANSFER_SECONDS  # twice that, at best
    assert f"{asked.saved_seconds:.3f} s by what came" in str(with_it)


def test_a_copy_where_the_original_ran_has_saved_nothing(far):
    _, report = computed(far, elsewhere(), Copying(True, slots_of=()))
    assert report.optimizations["task_dup"].saved_seconds <= 0


def chain():
    return delayed(first_of, pure=False)(1, delayed(np.zeros, pure=False)(NBYTES // 8))


def test_outputs_that_stay_in_their_container_are_reported_though_no_plan_asks_for_them(far):
    numbers = Constant(
        output_bytes_of={"zeros": NBYTES}, transfer_latency_seconds=0.002, bytes_per_second=RATE
    )
    planner = Optimized(Planned((FLEXIBLE,) * 2), (), CostModel(numbers, Platform()))
    _, without = computed(far, chain(), planner, optimizations="none")
    assert without.optimizations == {}
    _, with_it = computed(far, chain(), planner, optimizations=["local_outputs"])
    asked = with_it.optimizations["local_outputs"]
    assert without.makespan_seconds - with_it.makespan_seconds > TRANSFER_SECONDS
    assert asked.times == 1 and with_it.bytes_kept == NBYTES
    assert asked.planned_seconds == pytest.approx(2 * (TRANSFER_SECONDS + 0.002))
    assert asked.saved_seconds == pytest.approx(asked.planned_seconds, rel=0.01)


@pytest.mark.parametrize(("inline_bytes", "times"), [(100, 1), (NBYTES, 0)])
def test_what_is_small_enough_to_travel_inline_is_not_among_them(far, inline_bytes, times):
    """Small is what the setting says."""
    numbers = Constant(output_bytes_of={"zeros": 800}, bytes_per_second=RATE)
    planner = Optimized(Planned((FLEXIBLE,) * 2), (), CostModel(numbers, Platform()))
    small = delayed(first_of, pure=False)(1, delayed(np.zeros, pure=False)(100))
    _, report = computed(far, small, planner, inline_bytes=inline_bytes)
    asked = report.optimizations.get("local_outputs", Asked(0, 0.0, 0.0))
    assert asked.times == times and report.bytes_kept == 800 * times
    assert bool(asked.planned_seconds) == bool(asked.saved_seconds) == bool(times)


def test_without_numbers_nobody_says_what_they_saved(far):
    _, report = computed(far, chain(), Planned((FLEXIBLE,) * 2))
    asked = report.optimizations["local_outputs"]
    assert (asked.times, asked.planned_seconds, asked.saved_seconds) == (1, 0.0, None)
