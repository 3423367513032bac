"""Streamed outputs: fetched while others still store them, in real containers a network away."""

from __future__ import annotations

import os
import signal
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import dask
import numpy as np
import pytest
from awaiting import eventually
from dask.delayed import delayed
from naps import nap

from benchmarks.network.apart import Apart
from benchmarks.network.proxy import Proxy
from dask_serverless import Serverless
from dask_serverless.signing.secret import Secret
from planners.numbers.names import short_name
from planners.plans.annotations import StreamInputs, StreamOutputs
from planners.plans.plan import Plan

NBYTES = 8_000_000
RATE = 20e6  # bytes a second: 0.4 s for a block
COMING = StreamInputs(0.4, 2, (1,))


@dataclass(frozen=True)
class TwoSlots:
    """A nap in slot 0, a block in slot 1, and what needs both in slot 0 again."""

    notes: tuple[object, ...] = (COMING,)

    name = "two-slots"

    def plan(self, dag, resources):
        ids = np.arange(3, dtype=np.int32)
        slots = np.array([0, 1, 0], dtype=np.int32)
        return Plan(self.name, ids, slots, np.zeros(3, dtype=np.int32), self.notes)


@dataclass(frozen=True)
class Early:
    """The same, where a block's bundle goes on with a task that takes longer than to store it."""

    notes: tuple[object, ...]

    name = "early"

    def plan(self, dag, resources):
        bundle_of = {"nap": 0, "block": 1, "after": 1, "total": 2}
        names = [short_name(dag.function_names[function]) for function in dag.functions]
        bundles = np.array([bundle_of[name] for name in names], dtype=np.int32)
        notes = [note(names.index("block")) for note in self.notes]
        slots = np.array([0, 1, 0], dtype=np.int32)
        return Plan(self.name, bundles, slots, np.zeros(3, dtype=np.int32), tuple(notes))


def block(seconds, value=1):
    time.sleep(seconds)
    return np.random.default_rng(7).random(NBYTES // 8) + value  # LZ4 gets nowhere with it


def numbered(folder):
    """Another block at each attempt, which leaves its process where the test finds it."""
    number = len(os.listdir(folder)) + 1
    Path(folder, str(number)).write_text(str(os.getpid()))
    return block(0, number)


def total(napped, block, *others):
    block[0] += 0  # it is the task's own
    return float(block.sum())


def after(seconds, block):
    return nap(seconds)


def late(seconds=0.2, made=None):
    made = delayed(block, pure=False)(seconds) if made is None else made
    return delayed(total, pure=False)(delayed(nap, pure=False)(seconds), made)


EXPECTED = float(block(0).sum())


@pytest.fixture(scope="module")
def proxy(store_url):
    with Proxy(store_url, bytes_per_second=RATE) as proxy:
        yield proxy


@pytest.fixture(scope="module", params=["plain", "signed and compressed"])
def far(request, proxy):
    backend, options = Apart(2), {}
    if request.param != "plain":
        backend.secret, options = Secret.drawn(), {"compression": "lz4"}
    scheduler = Serverless(store=proxy.url, backend=backend, attempts=5, **options)
    dask.compute([delayed(nap)(0.1), delayed(nap, pure=False)(0.1)], scheduler=scheduler)
    yield scheduler
    scheduler.close()


def computed(far, proxy, notes=(COMING,), **options):
    view = far.options(planner=TwoSlots(notes), **options)
    before = proxy.figures.bytes_down
    assert dask.compute(late(), scheduler=view) == (EXPECTED,)
    return view.last_run, proxy.figures.bytes_down - before


def nothing_is_left(link, report):
    """Nor of attempts that came to nothing."""
    eventually(lambda: not link.call(("KEYS", f"*{report.run}*"))[0])


def test_the_download_goes_on_while_the_output_is_stored(far, proxy, link):
    (without, plain), (with_it, streamed) = computed(far, proxy, ()), computed(far, proxy)
    saved = without.makespan_seconds - with_it.makespan_seconds
    assert saved > 0.4 * NBYTES / RATE
    assert max(plain, streamed) < 1.1 * NBYTES  # fetched once, not once by each thread
    told = with_it.optimizations["streaming"]
    assert told.times == 1 and told.saved_seconds > 0.4 * NBYTES / RATE
    assert f"{told.saved_seconds:.3f} s by what came" in str(with_it)
    nothing_is_left(link, with_it)


def test_it_is_switched_off_by_the_setting(far, proxy):
    report, _ = computed(far, proxy, optimizations=["preload"])
    assert report.optimizations == {} and report.plan.annotations == ()


def test_an_early_output_is_stored_and_fetched_while_its_bundle_still_runs(far, link):
    def early(task):
        return StreamOutputs(0.4, 1, (task,))

    def coming(task):
        return StreamInputs(0.4, 2, (task,))

    def seconds(*notes):
        made = delayed(block, pure=False)(0)
        users = delayed(nap, pure=False)(0.2), made, delayed(after, pure=False)(0.9, made)
        view = far.options(planner=Early(notes))
        assert dask.compute(delayed(total, pure=False)(*users), scheduler=view) == (EXPECTED,)
        nothing_is_left(link, view.last_run)
        return view.last_run.makespan_seconds

    without = seconds()
    assert without - seconds(early) > 0.4 * NBYTES / RATE
    assert without - seconds(early, coming) > 1.4 * NBYTES / RATE


def in_thread(act):
    found = []
    thread = threading.Thread(target=lambda: found.append(act()), daemon=True)
    thread.start()

    def outcome():
        thread.join(60)
        return found[0]

    return outcome


def parts_told(link):
    """Of the one run that there is."""
    keys = link.call(("KEYS", "ds:*:parts"))[0]
    return link.call(("XLEN", keys[0]))[0] - 1 if keys else 0


def test_a_producer_killed_half_way_is_replaced_and_nothing_of_its_output_is_used(
    far, link, tmp_path
):
    made = delayed(numbered, pure=False)(str(tmp_path))
    view = far.options(planner=TwoSlots())
    outcome = in_thread(lambda: dask.compute(late(made=made), scheduler=view))
    eventually(lambda: parts_told(link) >= 3)
    os.kill(int((tmp_path / "1").read_text()), signal.SIGKILL)
    assert outcome() == (float(block(0, len(os.listdir(tmp_path))).sum()),)
    nothing_is_left(link, view.last_run)


def dying(marker, seconds):
    Path(marker).write_text(str(os.getpid()))
    return nap(seconds)


def test_a_consumer_killed_half_way_is_replaced(far, link, tmp_path):
    """Its slot goes to another container, which fetches what it needs."""
    marker = tmp_path / "pid"
    graph = delayed(total, pure=False)(
        delayed(dying, pure=False)(str(marker), 0.2), delayed(block, pure=False)(0.2)
    )
    view = far.options(planner=TwoSlots())
    outcome = in_thread(lambda: dask.compute(graph, scheduler=view))
    eventually(lambda: parts_told(link) >= 3)
    os.kill(int(marker.read_text()), signal.SIGKILL)
    assert outcome() == (EXPECTED,)
    nothing_is_left(link, view.last_run)


def test_outputs_in_files_of_one_host_have_no_parts_and_a_warning_says_so(serverless):
    with serverless.options(planner=TwoSlots((COMING, "what else"))):
        with pytest.warns(UserWarning, match=r"stream_inputs.*only where outputs are in the store"):
            assert dask.compute(late(0.0)) == (EXPECTED,)
