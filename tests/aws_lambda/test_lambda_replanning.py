"""Plans that do not come true on functions of several sizes: what moves, moves to one large enough."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import dask
import numpy as np
from dask import delayed
from lambda_emulators import SECRET, region
from lambda_tasks import long, other, source

from dask_serverless import Serverless
from planners.cost import longest
from planners.cost.model import CostModel
from planners.numbers.workload import function_names
from planners.plans.plan import Plan

SMALL, LARGE = 1769, 3538
OTHERS = 2


@dataclass(frozen=True)
class Pinned(CostModel):
    """Each task a bundle; all in one slot of large containers, but for ``source``."""

    name: ClassVar[str] = "pinned"

    def plan(self, dag, resources):
        names = np.array(function_names(dag))[dag.functions]
        slots = np.where(np.char.find(names, "source") >= 0, 1, 0).astype(np.int32)
        tasks = np.arange(dag.tasks, dtype=np.int32)
        memory = np.where(slots == 1, SMALL, LARGE).astype(np.int32)
        plan = Plan(self.name, tasks, slots, memory)
        plan = self.timeline(plan, self.workload(dag), resources).predicted_plan()
        return replace(plan, prediction=self.forecast(plan.way, plan.prediction))


def graph(folder, name, stuck):
    folder = folder / name
    folder.mkdir()
    first = delayed(source)(str(folder))
    others = [delayed(other)(first, str(folder), number) for number in range(OTHERS)]
    return [delayed(long)(str(folder), OTHERS if stuck else 0), *others]


def test_what_waits_behind_a_task_that_does_not_end_goes_to_another_large_container(
    store_url, tmp_path, monkeypatch
):
    monkeypatch.setattr(longest, "SHORTEST_SECONDS", 0.0)
    monkeypatch.setattr(longest, "SHARE", float("inf"))
    with (
        region(store_url, 2, [f"dask-serverless-{size}" for size in (SMALL, LARGE)]) as cloud,
        Serverless(
            backend="lambda", store=store_url, containers=4, endpoint_url=cloud.url, secret=SECRET,
            memory=[f"{SMALL} MiB", f"{LARGE} MiB"], history=str(tmp_path / "history"), planner=Pinned(),
        ) as client,
    ):  # fmt: skip
        dask.compute(graph(tmp_path, "learning", stuck=False), scheduler=client)
        (sizes,) = dask.compute(graph(tmp_path, "stuck", stuck=True), scheduler=client)
        told = client.last_run.vs_plan()
    assert sizes == [LARGE] * (1 + OTHERS)
    assert len({move.bundle for move in told.moves}) == OTHERS
    assert {move.slot for move in told.moves} == {0}
