"""A planner around a planner: bundles run copies of some of the tasks that they need."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

from planners.graph.dag import Dag
from planners.plans.annotations import DuplicateTask
from planners.plans.bundles import bundles_of
from planners.plans.plan import Plan, Resources
from planners.registry import planner_named


@dataclass(frozen=True)
class Copying:
    """``seed`` decides which; every task of every edge where it is negative."""

    inner: str = "wukong"
    seed: int = -1

    name = "copying"

    def plan(self, dag: Dag, resources: Resources) -> Plan:
        plan = planner_named(self.inner).plan(dag, resources)
        bundles, chosen = bundles_of(dag, plan), Random(self.seed)
        edges = zip(bundles.edge_consumers.tolist(), bundles.edge_tasks.tolist(), strict=True)
        notes = tuple(
            DuplicateTask(saves_seconds=0.0, bundle=bundle, task=task)
            for bundle, task in edges
            if self.seed < 0 or chosen.random() < 0.5
        )
        copied = replace(plan, planner=self.name, annotations=notes)
        copied.validate(dag)
        return copied
