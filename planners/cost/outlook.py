"""Outlook: a plan beside the graph and the numbers it is for: what it will be like, and others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from planners.cost.model import CostModel
from planners.cost.picture import picture
from planners.cost.rows import shown_rows
from planners.cost.summary import summary
from planners.cost.timeline import Timeline
from planners.errors import PlanError
from planners.graph.dag import Dag
from planners.numbers.workload import Workload, function_names
from planners.plans.comparison import Comparison
from planners.plans.plan import Plan, Planner, Prediction, Resources
from planners.plans.tables import preformatted


def one_by_one(planners: Iterable[str | Planner | Sequence[str | Planner]]) -> list[str | Planner]:
    """Also those in lists; a TypeError for what plans nothing."""
    found: list[str | Planner] = []
    for each in planners:
        found.extend(each if isinstance(each, list | tuple) else [each])  # type: ignore[list-item]
    for planner in found:
        if not isinstance(planner, str) and not callable(getattr(planner, "plan", None)):
            raise TypeError(f"compare() takes planners, by name or as objects, not {planner!r}")
    return found


@dataclass(frozen=True, eq=False, repr=False)
class Outlook:
    """Prints as what the plan is expected to be like, and why it was chosen."""

    plan: Plan
    dag: Dag
    model: CostModel
    resources: Resources
    planner_named: Callable[[str], Planner]  # by the same numbers

    @cached_property
    def workload(self) -> Workload:
        return self.model.workload(self.dag, self.resources.containers)

    @cached_property
    def timeline(self) -> Timeline:
        return self._judged(self.plan)

    @property
    def known(self) -> bool:
        """Whether anything was said or measured of these tasks, or constants stand in for that."""
        return self.model.predictions.knows(function_names(self.dag))

    def compare(self, *planners: str | Planner | Sequence[str | Planner]) -> Comparison:
        """This plan and those of other planners, by name or as objects, side by side."""
        mine = f"{self.plan.planner} (this plan)"
        plans, failures = [replace(self.plan, planner=mine, prediction=self.prediction)], []
        for planner in one_by_one(planners):
            try:
                other = self.planner_named(planner) if isinstance(planner, str) else planner
                plan = other.plan(self.dag, self.resources)
                prediction = self._forecast(plan, self._judged(plan))
                plans.append(replace(plan, planner=other.name, prediction=prediction))
            except PlanError as error:
                name = planner if isinstance(planner, str) else planner.name
                failures.append(f"{name}: {error}")
        return Comparison(tuple(plans), tuple(failures))

    @cached_property
    def prediction(self) -> Prediction:
        """By the timeline, put right by what came of earlier runs."""
        return self._forecast(self.plan, self.timeline)

    def _forecast(self, plan: Plan, timeline: Timeline) -> Prediction:
        return self.model.forecast(plan.way, timeline.prediction())

    def _judged(self, plan: Plan) -> Timeline:
        return self.model.timeline(plan, self.workload, self.resources)

    @property
    def summary(self) -> str:
        title = f"{self.plan.planner}: {len(self.plan.bundles)} tasks in {len(self.plan.slots)}"
        lines = [f"{title} bundles", summary(self.timeline), f"why: {self.plan.why}"]
        if self.prediction.runs:
            lines.insert(1, f"after earlier runs: {self.prediction}")
        elif self.prediction.makespan_seconds != self.prediction.modelled_seconds:
            lines.insert(1, f"after earlier runs by other plans: {self.prediction}")
        if not self.known:
            lines.append("times: made up, the same for all tasks, as nothing was measured of them")
        return "\n".join(lines)

    def __str__(self) -> str:
        return f"{self.summary}\n\n{shown_rows(self.timeline)}"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        parts = self.summary, shown_rows(self.timeline)
        return preformatted(parts[0]) + picture(self.timeline) + preformatted(parts[1])
