"""Cost model: the values by which plans are judged, as one."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Self

from planners.cost.platform import Platform
from planners.cost.timeline import Timeline, predict_timeline
from planners.graph.dag import Dag
from planners.numbers.outcomes import Outcomes
from planners.numbers.predictions import Predictions, Sla, Unmeasured
from planners.numbers.workload import Workload
from planners.plans.plan import Plan, Prediction, Resources


@dataclass(frozen=True)
class CostModel:
    """What tasks take, what containers are like, the share of runs that it should hold for, and
    what came of earlier plans of this very graph.

    A planner that goes by numbers is a cost model with settings of its own: it is written
    ``Uniform(predictions, sla=90)``, and made from another one by ``Uniform.of(model)``.
    """

    predictions: Predictions = field(default_factory=Unmeasured)
    platform: Platform = field(default_factory=Platform)
    sla: Sla = "average"
    outcomes: Outcomes = field(default_factory=Outcomes)

    @classmethod
    def of(cls, model: CostModel, **settings: Any) -> Self:
        """By the numbers of ``model``."""
        return cls(model.predictions, model.platform, model.sla, model.outcomes, **settings)

    def workload(self, dag: Dag, containers: int = 0) -> Workload:
        """By averages where earlier runs say how far runs are apart: percentiles do not add up.

        Before, by what is left of them where so many ``containers`` each run many tasks.
        """
        sla = "average" if self.outcomes else self.sla
        return Workload.predict(dag, self.predictions, sla, containers, self.platform.speed_mb)

    def timeline(self, plan: Plan, workload: Workload, resources: Resources) -> Timeline:
        return predict_timeline(plan, workload, self.platform, resources)

    def expected(
        self, way: str, plan: Plan, workload: Workload, resources: Resources
    ) -> Prediction:
        """Of a plan that was made in this way."""
        return self.forecast(way, self.timeline(plan, workload, resources).prediction())

    def least(self) -> Self:
        """By what is known alone: guesses refuse no run."""
        return replace(self, predictions=self.predictions.least())

    def forecast(self, way: str, prediction: Prediction) -> Prediction:
        """What a plan made in this way will take, by its timeline and by what came of earlier ones."""
        modelled_gb_seconds = prediction.modelled_gb_seconds
        gb_seconds = self.outcomes.paid(way, modelled_gb_seconds, self.sla)
        more = self.platform.prices.gb_second * (gb_seconds - prediction.gb_seconds)
        return replace(
            prediction,
            makespan_seconds=self.outcomes.makespan(way, prediction.modelled_seconds, self.sla),
            gb_seconds=gb_seconds,
            cost=prediction.cost + more,
            runs=self.outcomes.runs(way),
        )
