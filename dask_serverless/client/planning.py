"""A plan for one run: by the planner alone, or by what the history knows of the run's functions."""

from __future__ import annotations

from dataclasses import replace

from dask_serverless.client.surroundings import Surroundings
from dask_serverless.errors import PlanRefused
from dask_serverless.history.history import History
from dask_serverless.history.tasks import identified
from dask_serverless.translation.translate import Translation
from planners.cost.model import CostModel
from planners.errors import PlanError
from planners.graph.dag import Dag
from planners.numbers.predictions import Unmeasured
from planners.numbers.workload import function_names
from planners.plans.checked import CheckedPlanner
from planners.plans.plan import Plan, Planner, Resources


def planned(translation: Translation, around: Surroundings) -> Plan:
    planner, dag = around.planner, translation.dag
    if around.history is not None and asks(planner):
        dag = identified(translation)
        planner = informed(planner, around.history, dag)
    try:
        return planner.plan(dag, Resources(around.containers))
    except PlanError as error:
        raise PlanRefused(str(error), error) from error


def asks(planner: Planner) -> bool:
    """Whether it goes by numbers, and was given none of its own."""
    inner = planner.planner if isinstance(planner, CheckedPlanner) else planner
    return isinstance(inner, CostModel) and isinstance(inner.predictions, Unmeasured)


def informed(planner: Planner, history: History, dag: Dag) -> Planner:
    if isinstance(planner, CheckedPlanner):
        return replace(planner, planner=informed(planner.planner, history, dag))
    assert isinstance(planner, CostModel)
    predictions = history.predictions(function_names(dag), fallback=planner.predictions)
    return replace(planner, predictions=predictions)
