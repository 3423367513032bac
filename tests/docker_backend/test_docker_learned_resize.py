"""A run that is late by what earlier ones have taught goes on in larger containers, though some die."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import ClassVar

import dask
import numpy as np
import pytest
from awaiting import eventually
from dask import delayed
from docker_engine import BASE
from docker_tasks import naps

from dask_serverless import Serverless
from dask_serverless.store.connect import open_link
from planners.cost.model import CostModel
from planners.plans.plan import FLEXIBLE, Plan

pytestmark = pytest.mark.docker
SMALL, LARGE = 256, 512
TASKS = 40


@dataclass(frozen=True)
class Smallest(CostModel):
    """Each task a bundle, in the smallest containers."""

    name: ClassVar[str] = "smallest"

    def plan(self, dag, resources):
        tasks = np.arange(dag.tasks)
        plan = Plan(self.name, tasks, np.full(dag.tasks, FLEXIBLE), np.zeros(dag.tasks, np.int32))
        return self.timeline(plan, self.workload(dag), resources).predicted_plan()


def kill_one(daemon, client, size):
    """The first container of that size that has a bundle of the run."""
    engine = client._engine
    with open_link(engine.url) as link:

        def found():
            of_size = [cell.name for cell in list(pool.cells.values()) if cell.size == size]
            for key in link.call(("KEYS", "ds:*:working"))[0]:
                at_work = [name.decode() for name in link.call(("HKEYS", key))[0]]
                mine = [name for name in of_size if any(w.startswith(f"{name}-") for w in at_work)]
                if mine:
                    return mine[0]

        pool = engine.backend.site.pool
        daemon.api.kill(eventually(found, 120.0))


def test_a_late_run_with_a_past_goes_on_in_larger_containers_though_some_are_killed(
    daemon, tmp_path
):
    with Serverless(
        backend="docker", containers=2, memory=[f"{SMALL} MiB", f"{LARGE} MiB"], base=BASE,
        planner=Smallest(), history=str(tmp_path / "history"), idle_seconds=120,
    ) as client:  # fmt: skip
        for _ in range(2):
            dask.compute([delayed(naps)(0, n) for n in range(TASKS)], scheduler=client)
        late = [delayed(naps)(LARGE, n) for n in range(TASKS)]
        forecast = client.plan(late).prediction.makespan_seconds
        killers = [threading.Thread(target=kill_one, args=(daemon, client, n)) for n in range(2)]
        for killer in killers:
            killer.start()
        found = dask.compute(late, scheduler=client, deadline=f"{4 * forecast:.3f}s")[0]
        for killer in killers:
            killer.join()
        report = client.last_run
        told = report.vs_plan()
    numbers, limits = zip(*found, strict=True)
    assert list(numbers) == [*range(TASKS)]
    assert limits.count(LARGE) > TASKS // 2
    (resize,) = told.resizes
    assert (resize.before_mb, resize.memory_mb) == (SMALL, LARGE)
    # Both killed ones are paid for, and nothing is counted twice.
    assert len(report.lost) == 2
    accounts = {account.memory_mb: account for account in report.accounts}
    assert set(accounts) == {SMALL, LARGE}
    ran = sum(4.0 if limit == SMALL else 0.2 for limit in limits)
    seconds = sum(account.seconds for account in accounts.values())
    assert ran < seconds < 2 * report.wall_seconds + 1.0
    assert report.bundles == len(told.rows) == TASKS
