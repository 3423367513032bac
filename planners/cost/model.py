"""Cost model: the three values by which plans are judged, as one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Self

from planners.cost.platform import Platform
from planners.cost.timeline import Timeline, predict_timeline
from planners.graph.dag import Dag
from planners.numbers.predictions import Predictions, Sla, Unmeasured
from planners.numbers.workload import Workload
from planners.plans.plan import Plan, Resources


@dataclass(frozen=True)
class CostModel:
    """What tasks take, what containers are like, and the share of runs that it should hold for.

    A planner that goes by numbers is a cost model with settings of its own: it is written
    ``Uniform(predictions, sla=90)``, and made from another one by ``Uniform.of(model)``.
    """

    predictions: Predictions = field(default_factory=Unmeasured)
    platform: Platform = field(default_factory=Platform)
    sla: Sla = "average"

    @classmethod
    def of(cls, model: CostModel, **settings: Any) -> Self:
        """By the numbers of ``model``."""
        return cls(model.predictions, model.platform, model.sla, **settings)

    def workload(self, dag: Dag) -> Workload:
        return Workload.predict(dag, self.predictions, self.sla)

    def timeline(self, plan: Plan, workload: Workload, resources: Resources) -> Timeline:
        return predict_timeline(plan, workload, self.platform, resources)
