"""From what containers measure to the next plan, with real runs."""

from __future__ import annotations

import operator
import os
import subprocess
import sys
import time

import dask
import dask.array as da
import numpy as np
import pytest
from dask import delayed

from dask_serverless import Serverless
from dask_serverless.config import Settings
from dask_serverless.history.identity import identity
from dask_serverless.history.observations import Calls, Observations, Sample
from dask_serverless.history.opening import open_history


def slow(x):
    time.sleep(0.03)
    return np.full(1000, x, dtype="f8")


def known(path):
    return {
        row.name.split("#")[0]: row
        for row in open_history(Settings.gather(history=path)).describe()
        if row.kind == "function"  # beside what pickling took, of the same name
    }


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "history")


def test_a_run_teaches_what_its_tasks_took(path):
    with Serverless(containers=2, history=path) as client:
        total = delayed(sum)([delayed(np.sum)(delayed(slow)(n)) for n in range(6)])
        assert dask.compute(total, scheduler=client) == (15000.0,)
    (row,) = [row for name, row in known(path).items() if name.endswith("slow")]
    assert row.calls == 6
    assert 0.03 <= row.mean_seconds < 0.2
    assert row.output_bytes == pytest.approx(8000, rel=0.1)


def test_fused_tasks_and_many_small_ones_are_counted_within_bounds(path):
    with Serverless(containers=2, history=path) as client:
        graph = {("x", n): (operator.add, ("x", n - 1), 1) for n in range(1, 5000)}
        assert client({("x", 0): 0, **graph}, ("x", 4999)) == 4999
        x = da.ones((40, 40), chunks=10)
        assert ((x + 1).T + x).sum().compute(scheduler=client) == 4800
    rows = known(path)
    assert rows["_operator.add"].calls >= 1, "the first of 4,999 in one bundle, at the least"
    assert len(rows) >= 3
    assert sum(row.calls for row in rows.values()) < 5050


@pytest.mark.parametrize("planner", ["auto", "uniform", "list_schedule", "non_uniform"])
def test_planners_that_go_by_numbers_plan_with_them_and_the_answer_is_right(path, planner):
    with Serverless(containers=2, history=path, planner=planner) as client:
        for _ in range(2):
            total = delayed(sum)([delayed(np.sum)(delayed(slow)(n)) for n in range(4)])
            assert dask.compute(total, scheduler=client) == (6000.0,)


def step(x):
    return x


def thirty_steps(client):
    """Four chains of them; what the plan was."""
    ends = [delayed(step)(n) for n in range(4)]
    for _ in range(30):
        ends = [delayed(step)(end) for end in ends]
    assert dask.compute(ends, scheduler=client) == ([0, 1, 2, 3],)
    return client.last_run.plan


def measured_before(path, output_bytes, peak_bytes):
    """Calls of one function with inputs of some kilobytes, by how many times of them they took."""
    rows = [
        Sample(0, 1000 * n, 0.001, output_bytes * 1000 * n, peak_bytes * 1000 * n)
        for n in range(1, 30)
    ]
    history = open_history(Settings.gather(history=path))
    history.record(Observations({identity(step): Calls(29, 0.029, rows)}))


@pytest.mark.parametrize("planner", ["auto", "uniform", "list_schedule", "non_uniform"])
def test_measurements_that_no_container_could_hold_refuse_no_run(path, planner):
    measured_before(path, output_bytes=1, peak_bytes=10**12)
    with Serverless(containers=2, history=path, planner=planner) as client:
        plan = thirty_steps(client)
        assert plan.planner == "structural"
        assert "of memory" in plan.why


@pytest.mark.parametrize("planner", ["uniform", "list_schedule", "non_uniform"])
def test_joins_that_once_gave_forty_times_what_they_took_are_planned_by_numbers(path, planner):
    measured_before(path, output_bytes=40, peak_bytes=41)
    with Serverless(containers=2, history=path, planner=planner) as client:
        assert thirty_steps(client).planner == planner


def nap(seconds):
    time.sleep(seconds)
    return seconds


def long_nap(seconds):
    return nap(seconds)


def test_slots_are_planned_by_numbers_where_a_long_task_would_come_last(path):
    """Also of a graph whose table has functions that are only steps of its tasks."""
    few = [delayed(nap, pure=False)(0.01) for _ in range(40)]
    total = delayed(sum)([*few, delayed(long_nap)(delayed(abs)(-0.4))])
    with Serverless(containers=2, history=path) as client:
        for _ in range(40):
            dask.compute(total, scheduler=client)
            if client.last_run.plan.planner != "structural":
                break
        assert client.last_run.plan.planner != "structural", str(client.last_run.plan)


SCRIPT = """
import operator
from dask import compute, delayed
from dask_serverless import serverless

for _ in range(3):
    print(*compute(delayed(sum)([delayed(operator.neg)(n) for n in range(4)]), scheduler=serverless))
"""


def test_what_a_known_plan_is_like_is_worked_out_once(path):
    """With a dashboard open each run asks."""
    x = da.ones((40, 40), chunks=10)
    total, outlooks = (x + x.T).sum(), []
    with Serverless(containers=2, history=path) as client:
        for _ in range(30):
            dask.compute(total, scheduler=client)
            run = client.last_run
            outlooks.append(run.foreseen())
            assert outlooks[-1].plan is run.plan
    assert len({id(outlook) for outlook in outlooks}) < len(outlooks)


def test_by_default_each_process_learns_from_those_before(tmp_path):
    own = {"XDG_CACHE_HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    environment = {k: v for k, v in os.environ.items() if not k.startswith("DASK_SERVERLESS")} | own
    for times in (1, 2):
        told = subprocess.run(
            [sys.executable, "-W", "error", "-c", SCRIPT],
            env=environment, capture_output=True, text=True, timeout=120, check=True,
        )  # fmt: skip
        assert (told.stdout.split(), told.stderr) == (["-6"] * 3, "")
        (row,) = [
            r
            for n, r in known(str(tmp_path / "dask-serverless" / "history")).items()
            if n == "_operator.neg"
        ]
        assert row.calls >= times


def test_without_it_nothing_is_measured_and_nothing_is_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with Serverless(containers=1, history=False) as client:
        assert dask.compute(delayed(abs)(-1), scheduler=client) == (1,)
    assert list(tmp_path.iterdir()) == []


def test_a_history_that_cannot_be_written_fails_no_run(tmp_path):
    place = tmp_path / "file"
    place.write_text("no folder")
    with Serverless(containers=1, history=str(place / "history")) as client:
        with pytest.warns(UserWarning, match="history"):
            for _ in range(3):
                assert dask.compute(delayed(abs)(-1), scheduler=client) == (1,)
                open_history(client.settings).save()
