"""How runs are planned: by the planner alone, or by what the history knows of their functions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from dask_serverless.client import forks
from dask_serverless.client.ignored import tell
from dask_serverless.client.optimizations import as_carried_out, planner_with
from dask_serverless.config import OPTIMIZATIONS, Wishes
from dask_serverless.errors import PlanRefused
from dask_serverless.history.history import History
from dask_serverless.history.tasks import identified
from dask_serverless.translation.repeatable import repeatable
from dask_serverless.translation.translate import Translation
from planners.aimed import aimed, informed
from planners.cost.model import CostModel
from planners.errors import PlanError
from planners.graph.dag import Dag
from planners.numbers.predictions import Predictions, Unmeasured
from planners.numbers.workload import function_names
from planners.plans.checked import CheckedPlanner
from planners.plans.plan import Plan, Planner, Resources
from planners.registry import BUILT_IN, planner_by

if TYPE_CHECKING:
    from planners.cost.outlook import Outlook


@dataclass(frozen=True)
class Planning:
    """By whom, on how many containers, from which past, towards what."""

    planner: Planner
    containers: int
    history: History | None = None
    optimizations: tuple[str, ...] = OPTIMIZATIONS  # that containers may carry out
    wishes: Wishes = Wishes()  # the planner has them, too, as far as it takes any

    def plan(self, translation: Translation) -> Plan:
        planner, dag = planner_with(self.planner, self.optimizations), translation.dag
        if self.history is not None and asks(planner):
            dag = with_flags(identified(translation), translation)
            planner = informed(planner, self.model(dag))
        return self.planned(planner, dag, translation)

    def planned(self, planner: Planner, dag: Dag, translation: Translation) -> Plan:
        """As containers will carry it out; whoever computes is told what they will not."""
        try:
            plan = planner.plan(dag, self.resources)
        except PlanError as error:
            raise PlanRefused(str(error), error) from error
        if plan.annotations:
            plan = as_carried_out(plan, translation, self.optimizations)
        if planner.name not in BUILT_IN and plan.memory_mb.any():  # those name a size in any case
            tell_of_memory(planner.name)
        if plan.prediction is None and self.wishes.limits:
            self.tell_of_limits()
        return plan

    def without(self, optimization: str) -> Planning:
        kept = tuple(name for name in self.optimizations if name != optimization)
        return replace(self, optimizations=kept)

    def tell_of_limits(self) -> None:
        limits, asked = self.wishes.limits, self.history is not None
        tell(
            "limit",
            limits,
            f"Whether {limits} can be kept is not known: nothing was measured of these functions "
            f"yet; {'runs teach it' if asked else 'with history=True, runs teach it'}. The run goes on.",
        )

    def outlook(self, translation: Translation) -> Outlook:
        """The same plan, and what would come of it."""
        with forks.importing:
            from planners.cost.outlook import Outlook

        dag = with_flags(identified(translation), translation)
        model = self.model(dag)
        planner = informed(planner_with(self.planner, self.optimizations), model)
        plan = self.planned(planner, dag, translation)
        return Outlook(plan, dag, model, self.resources, partial(self.other, model))

    def other(self, model: CostModel, name: str) -> Planner:
        """By the same numbers; with the same goals if it is one that looks for ways to meet them."""
        planner = planner_with(planner_by(name, model), self.optimizations)
        return aimed(planner, *self.wishes) if name == "auto" else planner

    @property
    def resources(self) -> Resources:
        return Resources(self.containers)

    def model(self, dag: Dag) -> CostModel:
        """The numbers that the planner goes by; where it needs none, what there are."""
        inner = innermost(self.planner)
        wanted = CostModel(sla=self.wishes.sla or "average")
        own = CostModel.of(inner) if isinstance(inner, CostModel) else wanted
        if self.history is None or not isinstance(own.predictions, Unmeasured):
            return own
        return replace(own, predictions=self.predictions(dag))

    def predictions(self, dag: Dag) -> Predictions:
        """What the history knows; constants stand in where that is nothing."""
        assert self.history is not None
        return self.history.predictions(function_names(dag), fallback=Unmeasured())


def tell_of_memory(planner: str) -> None:
    tell(
        "memory_mb",
        planner,
        f"The planner {planner!r} asks for memory_mb, which is not carried out: every container has "
        "what the setting memory says.",
    )


def with_flags(dag: Dag, translation: Translation) -> Dag:
    """Which tasks may run more than once."""
    return replace(dag, repeatable=repeatable(translation))


def innermost(planner: Planner) -> Planner:
    return planner.planner if isinstance(planner, CheckedPlanner) else planner


def asks(planner: Planner) -> bool:
    """Whether it goes by numbers, and was given none of its own."""
    inner = innermost(planner)
    return isinstance(inner, CostModel) and isinstance(inner.predictions, Unmeasured)
