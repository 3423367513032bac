"""How runs are planned: by the planner alone, or by what the history knows of their functions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from dask_serverless.client import forks
from dask_serverless.client.optimizations import as_carried_out, planner_with
from dask_serverless.config import OPTIMIZATIONS
from dask_serverless.errors import PlanRefused
from dask_serverless.history.history import History
from dask_serverless.history.tasks import identified
from dask_serverless.translation.repeatable import repeatable
from dask_serverless.translation.translate import Translation
from planners.cost.model import CostModel
from planners.errors import PlanError
from planners.graph.dag import Dag
from planners.numbers.predictions import Predictions, Unmeasured
from planners.numbers.workload import function_names
from planners.plans.checked import CheckedPlanner
from planners.plans.plan import Plan, Planner, Resources
from planners.registry import planner_by

if TYPE_CHECKING:
    from planners.cost.outlook import Outlook


@dataclass(frozen=True)
class Planning:
    """By whom, on how many containers, from which past."""

    planner: Planner
    containers: int
    history: History | None = None
    optimizations: tuple[str, ...] = OPTIMIZATIONS  # that containers may carry out

    def plan(self, translation: Translation) -> Plan:
        planner, dag = planner_with(self.planner, self.optimizations), translation.dag
        if self.history is not None and asks(planner):
            dag = with_flags(identified(translation), translation)
            planner = informed(planner, self.predictions(dag))
        plan = planned(planner, dag, self.resources)
        return as_carried_out(plan, translation, self.optimizations) if plan.annotations else plan

    def without(self, optimization: str) -> Planning:
        kept = tuple(name for name in self.optimizations if name != optimization)
        return replace(self, optimizations=kept)

    def outlook(self, translation: Translation) -> Outlook:
        """The same plan, and what would come of it."""
        with forks.importing:
            from planners.cost.outlook import Outlook

        dag = with_flags(identified(translation), translation)
        model = self.model(dag)
        planner = planner_with(self.planner, self.optimizations)
        planner = informed(planner, model.predictions) if asks(planner) else planner
        plan = as_carried_out(
            planned(planner, dag, self.resources), translation, self.optimizations
        )
        return Outlook(plan, dag, model, self.resources, partial(planner_by, model=model))

    @property
    def resources(self) -> Resources:
        return Resources(self.containers)

    def model(self, dag: Dag) -> CostModel:
        """The numbers that the planner goes by; where it needs none, what there are."""
        inner = innermost(self.planner)
        own = inner if isinstance(inner, CostModel) else CostModel()
        if self.history is None or not isinstance(own.predictions, Unmeasured):
            return CostModel.of(own)
        return replace(CostModel.of(own), predictions=self.predictions(dag))

    def predictions(self, dag: Dag) -> Predictions:
        """What the history knows; constants stand in where that is nothing."""
        assert self.history is not None
        return self.history.predictions(function_names(dag), fallback=Unmeasured())


def with_flags(dag: Dag, translation: Translation) -> Dag:
    """Which tasks may run more than once."""
    return replace(dag, repeatable=repeatable(translation))


def planned(planner: Planner, dag: Dag, resources: Resources) -> Plan:
    """Whoever computes gets an error of ours, with the planner's as its reason."""
    try:
        return planner.plan(dag, resources)
    except PlanError as error:
        raise PlanRefused(str(error), error) from error


def innermost(planner: Planner) -> Planner:
    return planner.planner if isinstance(planner, CheckedPlanner) else planner


def asks(planner: Planner) -> bool:
    """Whether it goes by numbers, and was given none of its own."""
    inner = innermost(planner)
    return isinstance(inner, CostModel) and isinstance(inner.predictions, Unmeasured)


def informed(planner: Planner, predictions: Predictions) -> Planner:
    if isinstance(planner, CheckedPlanner):
        return replace(planner, planner=informed(planner.planner, predictions))
    assert isinstance(planner, CostModel)
    return replace(planner, predictions=predictions)
