"""Clustering and delayed I/O: what plans ask of containers about large outputs is carried out."""

from __future__ import annotations

import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import dask
import numpy as np
import pytest
from dask import delayed

from dask_serverless import Serverless
from planners.plans.annotations import CheckFanIn, HoldOutput, KeepChildren
from planners.plans.plan import FLEXIBLE, Plan

LARGE = (600, 600)  # numbers: 2.9 MB
BYTES = 8 * 600 * 600


@dataclass(frozen=True)
class Asking:
    """For every task a bundle of its own, and these annotations."""

    notes: tuple = ()
    name: str = "asking"

    def plan(self, dag, resources):
        tasks = dag.tasks
        return Plan(self.name, range(tasks), [FLEXIBLE] * tasks, [0] * tasks, self.notes)


@pytest.fixture(scope="module")
def client():
    with Serverless(containers=2, attempts=20) as client:
        yield client


def compute(client, value, *notes, containers=2, **options):
    asked = client.options(planner=Asking(notes), **options)
    (found,) = dask.compute(value, scheduler=asked, optimize_graph=False, num_workers=containers)
    return found, asked.last_run


def make(value):
    return np.full(LARGE, float(value))


def corner(array, add=0):
    return float(array[0, 0]) + add


def add_corner(array, more):
    return corner(array) + more


def fan_out(children=3, task=corner):
    first = delayed(make)(1)
    return delayed(sum)([delayed(task)(first, n) for n in range(children)])


def keep(*children):
    count = len(children)
    return KeepChildren(1.0, 0, children, (0.01,) * count, 0.1, (0.1, 0.0), (0.1, 0.0))


def test_children_that_a_plan_keeps_together_take_a_large_output_from_memory(client, tmp_path):
    with client.report(tmp_path / "run.html"):
        found, run = compute(client, fan_out(), keep(1, 2, 3))
    assert found == 6.0
    assert "What optimizations saved" in (tmp_path / "run.html").read_text()
    assert run.bytes_moved < 1000
    assert run.bytes_kept == BYTES
    asked = run.optimizations["clustering"]
    assert (asked.times, asked.planned_seconds) == (1, 1.0)
    assert asked.saved_seconds >= 2 * 0.1  # starts, as the note has them; and uploads, as measured


def test_an_output_for_children_here_and_elsewhere_is_stored_once(client):
    found, run = compute(client, fan_out(), keep(1, 2))
    assert found == 6.0
    assert BYTES < run.bytes_moved < 1.1 * BYTES


def test_without_clustering_it_is_stored(client):
    found, run = compute(client, fan_out(), keep(1, 2, 3), optimizations="none")
    assert found == 6.0
    assert run.bytes_moved > BYTES
    assert run.bytes_kept == 0


def test_a_fan_in_is_looked_at_before_storing(client):
    value = delayed(corner)(delayed(sum)([delayed(make)(1), delayed(make)(2)]))
    notes = CheckFanIn(0.1, 0, 2), CheckFanIn(0.1, 1, 2)
    names = ["clustering", "local_outputs"]
    found, run = compute(client, value, *notes, containers=1, optimizations=names)
    assert found == 3.0
    assert BYTES < run.bytes_moved < 1.1 * BYTES  # the first one's: the other was the last to come


def test_an_output_is_held_back_while_there_is_other_work(client):
    """With one container, every other bundle runs before the fan-in: nothing is stored."""
    value = delayed(corner)(delayed(sum)([delayed(make)(1), delayed(make)(2)]))
    notes = HoldOutput(30.0, 0, 2, 30.0), HoldOutput(30.0, 1, 2, 30.0)
    found, run = compute(client, value, *notes, containers=1)
    assert found == 3.0
    assert run.bytes_moved < 1000
    assert run.bytes_kept == 3 * BYTES
    workload = run.foreseen().workload
    worth = workload.upload.at(BYTES) + workload.download.at(BYTES)
    assert run.optimizations["delayed_io"].saved_seconds == pytest.approx(2 * worth)
    assert "s by what came" in str(run)


def test_while_it_holds_an_output_back_a_container_does_what_meets_it(client):
    """Of eight pairs, the second block of each is made right after the first, and none is stored."""
    pairs = [[delayed(make)(2 * n), delayed(make)(2 * n + 1)] for n in range(8)]
    value = delayed(sum)([delayed(corner)(delayed(sum)(pair)) for pair in pairs])
    blocks = [(4 * n + side, 4 * n + 2) for n in range(8) for side in (0, 1)]  # and what adds them
    notes = [HoldOutput(1.0, block, both, 30.0) for block, both in blocks]
    found, run = compute(client, value, *notes, containers=1)
    assert found == sum(range(16))
    assert run.bytes_moved < 10_000


def appears(first, folders):
    """Whether somebody stores an array meanwhile."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        found = [file for folder in folders for file in Path(folder).rglob("*") if file.is_file()]
        if any(file.stat().st_size > BYTES for file in found):
            return first
        time.sleep(0.01)
    return None


def test_what_is_held_back_is_stored_in_time_though_another_bundle_still_runs(client):
    """The other one ends only when it is: there is one container, and nobody else to do it."""
    first = delayed(int)(1)
    folders = [str(path) for path in client._engine.folders.paths]
    value = delayed(add_corner)(delayed(make)(first), delayed(appears)(first, folders))
    found, run = compute(client, value, HoldOutput(1.0, 1, 3, 0.2), containers=1)
    assert found == 2.0
    asked = run.optimizations["delayed_io"]
    assert (asked.times, asked.saved_seconds) == (1, 0.0)


@pytest.mark.skipif(sys.platform != "linux", reason="kills containers")
@pytest.mark.parametrize("place", [1, 2, 3])
def test_a_container_killed_with_outputs_in_memory_changes_nothing(client, tmp_path, place):
    marker = tmp_path / "killed"

    def once(array, number):
        if number == place and not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return corner(array, number)

    found, _ = compute(client, fan_out(5, once), keep(1, 2, 3, 4, 5))
    assert found == 5 + sum(range(5))
