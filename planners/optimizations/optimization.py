"""Optimization: the interface behind which each one stands, and a planner that applies them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from planners.cost.model import CostModel
from planners.cost.timeline import Timeline
from planners.graph.dag import Dag
from planners.optimizations.clustering import Clustering
from planners.optimizations.delayed_io import DelayedIo
from planners.optimizations.joining import Joining
from planners.optimizations.preload import Preload
from planners.optimizations.prewarm import Prewarm
from planners.optimizations.streaming import Streaming
from planners.optimizations.task_dup import TaskDup
from planners.plans.plan import Plan, Planner, Resources


class Optimization(Protocol):
    """Looks at how a plan would run, and changes what had better be otherwise."""

    @property
    def name(self) -> str: ...

    def improved(self, timeline: Timeline, resources: Resources) -> Timeline:
        """That of a plan that is better by its forecast, or this one."""


ALL: tuple[Optimization, ...] = (
    Joining(),
    Clustering(),
    DelayedIo(),
    TaskDup(),
    Streaming(),
    Preload(),
    Prewarm(),
)


@dataclass(frozen=True)
class Optimized:
    """A planner around a planner: changes what the timeline says pays."""

    planner: Planner
    optimizations: tuple[Optimization, ...] = ALL
    model: CostModel = field(default_factory=CostModel)

    @property
    def name(self) -> str:
        return self.planner.name

    def plan(self, dag: Dag, resources: Resources) -> Plan:
        plan = self.planner.plan(dag, resources)
        timeline = self.model.timeline(
            plan, self.model.workload(dag, resources.containers), resources
        )
        return optimize(timeline, resources, self.optimizations).predicted_plan()


def optimize(
    timeline: Timeline, resources: Resources, optimizations: tuple[Optimization, ...] = ALL
) -> Timeline:
    """One after another, on the timeline that those before it left; none has to know of any other."""
    for optimization in optimizations:
        timeline = optimization.improved(timeline, resources)
    return timeline
