"""Longest: how a plan goes on where every task takes what only few take, worked out once for all
who ask whether a run is late.

How far behind its plan a run may be, and come true still, follows from how sure the plan is of
itself: from this timeline, stretched by how far runs of this graph were from their forecasts.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from planners.cost.allowance import Effort
from planners.cost.model import CostModel
from planners.cost.timeline import Timeline
from planners.graph.dag import Dag
from planners.numbers.predictions import Sla
from planners.numbers.workload import Workload, function_names
from planners.plans.plan import Plan, Prediction, Resources

UPPER: Sla = 95
STRETCH = 1.2  # at least: so far are good forecasts from what comes, whatever tasks take
SHORTEST_SECONDS = 1.0  # of a makespan: containers look for what is late about once a second
SHARE = 0.02  # of the makespan: what it may take to work this out


@dataclass(frozen=True, eq=False)
class Longest:
    """Of a plan by numbers."""

    plan: Plan
    dag: Dag
    model: CostModel
    resources: Resources

    @property
    def forecast(self) -> Prediction | None:
        """What the plan promises, if that rests on anything."""
        prediction = self.plan.prediction
        return prediction if prediction is not None and prediction.samples else None

    def is_worth(self, timelines: int) -> bool:
        """Whether the run is long enough to look after, by what so many timelines take."""
        forecast, bundles = self.forecast, len(self.plan.slots)
        if forecast is None or forecast.makespan_seconds < SHORTEST_SECONDS or bundles < 2:
            return False
        tasks = self.dag.tasks
        effort = Effort.workload(len(function_names(self.dag)), tasks)
        effort += timelines * Effort.timeline(tasks, bundles)
        return effort < SHARE * forecast.makespan_seconds

    @cached_property
    def workload(self) -> Workload:
        return Workload.predict(self.dag, self.model.predictions, UPPER)

    @cached_property
    def timeline(self) -> Timeline:
        return self.timeline_of(self.plan)

    def timeline_of(self, plan: Plan) -> Timeline:
        return self.model.timeline(plan, self.workload, self.resources)

    @cached_property
    def stretch(self) -> float:
        """By how much a run may take longer than the timeline, and come true still."""
        assert self.forecast is not None, "of plans by numbers"
        modelled = self.forecast.modelled_seconds
        upper = self.model.outcomes.makespan(self.plan.way, modelled, UPPER)
        return max(STRETCH, upper / self.timeline.makespan_seconds)
