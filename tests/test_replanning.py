"""Plans that do not come true: what is late in its slot goes to whoever has time for it."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import dask
import numpy as np
import pytest
from dask import delayed

from dask_serverless import Serverless
from dask_serverless.client import looks, planning
from planners.cost import longest
from planners.cost.model import CostModel
from planners.cost.patience import Patience
from planners.numbers.workload import function_names
from planners.plans.plan import FLEXIBLE, Plan

OTHERS = 3


@dataclass(frozen=True)
class Pinned(CostModel):
    """Each task a bundle; ``source`` has a slot for itself, all others have another one."""

    name: ClassVar[str] = "pinned"

    def plan(self, dag, resources):
        names = np.array(function_names(dag))[dag.functions]
        slots = np.where(np.char.find(names, "source") >= 0, 1, 0).astype(np.int32)
        tasks = np.arange(dag.tasks, dtype=np.int32)
        plan = Plan(self.name, tasks, slots, np.zeros(dag.tasks, dtype=np.int32))
        plan = self.timeline(plan, self.workload(dag), resources).predicted_plan()
        return replace(plan, prediction=self.forecast(plan.way, plan.prediction))


def wait_for(path, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < deadline, f"{path.name} does not come"
        time.sleep(0.005)


def source(folder, begun):
    """Goes on when the long task has begun: what waits for this finds that one's slot taken."""
    wait_for(folder / begun)
    return 1


def long(folder, begun, ends):
    """In a run that leaves the plan, this ends only after all others have."""
    (folder / begun).touch()
    for each in ends:
        wait_for(folder / each)
    return 2


def other(source, folder, number, deadly):
    if deadly and not (folder / "died").exists():
        (folder / "died").touch()
        os._exit(1)
    (folder / f"other {number}").touch()
    return number


def graph(folder, name, stuck, deadly=False):
    folder = Path(folder) / name
    folder.mkdir()
    ends = [f"other {number}" for number in range(OTHERS)] if stuck else []
    first = delayed(source)(folder, "begun")
    others = [delayed(other)(first, folder, n, deadly and n == 1) for n in range(OTHERS)]
    return [delayed(long)(folder, "begun", ends), *others]


@pytest.mark.parametrize("deadly", [False, True], ids=["late", "and a container dies of it"])
def test_what_waits_behind_a_task_that_does_not_end_is_run_elsewhere(tmp_path, monkeypatch, deadly):
    monkeypatch.setattr(longest, "SHORTEST_SECONDS", 0.0)
    monkeypatch.setattr(longest, "SHARE", float("inf"))
    history = str(tmp_path / "history")
    with Serverless(containers=2, history=history, planner=Pinned()) as serverless:
        dask.compute(graph(tmp_path, "learning", stuck=False), scheduler=serverless)
        stuck = graph(tmp_path, "stuck", stuck=True, deadly=deadly)
        with serverless.report(tmp_path / "run.html"):
            assert dask.compute(stuck, scheduler=serverless) == ([2, *range(OTHERS)],)
        report = serverless.last_run
        told = report.vs_plan()
    assert told.version == len(told.moves) >= OTHERS
    assert len({move.bundle for move in told.moves}) == OTHERS
    assert {move.slot for move in told.moves} == {0}
    assert all(move.at >= move.due for move in told.moves)
    assert "was still at bundle" in told.moves[0].why
    assert "late in their slots, and moved" in str(told)
    assert "late in their slots, and moved" in told._repr_html_()
    assert f"version {told.version}" in str(report)
    assert "Moved while the run went on" in (tmp_path / "run.html").read_text()


def test_where_nobody_else_is_left_the_client_looks_when_a_bundle_is_late(tmp_path, monkeypatch):
    """The container that could take it has left: nothing else invites it before the next look."""
    monkeypatch.setattr(longest, "SHORTEST_SECONDS", 0.0)
    monkeypatch.setattr(longest, "SHARE", float("inf"))
    with Serverless(
        containers=2, history=str(tmp_path / "history"), planner=Pinned()
    ) as serverless:
        dask.compute(graph(tmp_path, "learning", stuck=False), scheduler=serverless)
        monkeypatch.setattr(looks, "LOOK_SECONDS", 300.0)
        stuck = graph(tmp_path, "stuck", stuck=True)
        assert dask.compute(stuck, scheduler=serverless) == ([2, *range(OTHERS)],)
        assert serverless.last_run.vs_plan().version >= OTHERS
        assert serverless.last_run.wall_seconds < 60.0


@dataclass(frozen=True)
class Lumped(CostModel):
    """All tasks in one bundle, but for those called ``alone``, which are one together."""

    name: ClassVar[str] = "lumped"

    def plan(self, dag, resources):
        names = np.array(function_names(dag))[dag.functions]
        bundles = (np.char.find(names, "alone") >= 0).astype(np.int32)
        slots = np.full(2, FLEXIBLE, dtype=np.int32)
        plan = Plan(self.name, bundles, slots, np.zeros(2, dtype=np.int32))
        plan = self.timeline(plan, self.workload(dag), resources).predicted_plan()
        return replace(plan, prediction=self.forecast(plan.way, plan.prediction))


PIECES = 8


def piece(folder, number, late, deadly):
    """When it is late, the first takes long, and the second goes on once the last has begun."""
    if late and number == 0:
        time.sleep(1.0)
    if deadly and number == PIECES - 1 and not (folder / "died").exists():
        (folder / "died").touch()
        os._exit(1)
    (folder / f"piece {number}").touch()
    if late and number == 1:
        wait_for(folder / f"piece {PIECES - 1}")
    return number


def alone():
    return "alone"


def lump(folder, name, late, deadly=False):
    folder = Path(folder) / name
    folder.mkdir()
    pieces = [delayed(piece)(folder, number, late, deadly) for number in range(PIECES)]
    return [*pieces, delayed(sum)(pieces[-2:]), delayed(alone)()]


@pytest.mark.parametrize("deadly", [False, True], ids=["late", "and a container dies of a part"])
def test_what_has_not_begun_of_a_bundle_that_takes_too_long_is_run_elsewhere(
    tmp_path, monkeypatch, deadly
):
    """A busy machine may teach anything, so the plan is told here how long its bundle may run."""
    told_to_last = Patience(runs=np.array([0.2, np.inf]), moving_seconds=0.05)
    monkeypatch.setattr(planning, "patience_of", lambda *_: told_to_last)
    history = str(tmp_path / "history")
    with Serverless(containers=3, history=history, planner=Lumped()) as serverless:
        late = lump(tmp_path, "late", late=True, deadly=deadly)
        assert dask.compute(late, scheduler=serverless) == (
            [*range(PIECES), 2 * PIECES - 3, "alone"],
        )
        report = serverless.last_run
        told = report.vs_plan()
    assert told.version == len(told.splits) >= 1
    assert {split.bundle for split in told.splits} == {0}
    assert "later than the plan held possible, and divided" in str(told)
    assert "later than the plan held possible, and divided" in told._repr_html_()
    assert f"version {told.version}, late bundles were divided" in str(report)
    assert [row.tasks for row in told.rows] == [PIECES + 1, 1]
    assert sum(pair.measured for pair in told.causes.values()) == pytest.approx(
        told.makespan_seconds.measured
    )


def test_a_run_without_a_past_has_no_such_times(tmp_path):
    """Nothing says how long anything takes: the plan is carried out as it is."""
    with Serverless(containers=2, planner=Pinned()) as serverless:
        dask.compute(graph(tmp_path, "first", stuck=False), scheduler=serverless)
        told = serverless.last_run.vs_plan()
    assert (told.version, told.moves) == (0, [])
