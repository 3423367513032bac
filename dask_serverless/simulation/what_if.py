"""What if: a collection as it would be computed, on a backend that is made up."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from dask_serverless.client.handed_over import handed_over
from dask_serverless.client.planning import Planned, Planning, tell_of_unmatched
from dask_serverless.errors import PlanRefused, SettingsError
from dask_serverless.history.tasks import identified
from dask_serverless.simulation.model import BackendModel
from dask_serverless.simulation.simulation import Simulation, simulate
from dask_serverless.translation.home import divided
from dask_serverless.translation.translate import materialise, translate
from planners.cost.model import CostModel
from planners.cost.platform import Platform
from planners.errors import PlanError
from planners.numbers.predictions import Predictions
from planners.plans.plan import Resources


def what_if(
    collection: Any, planning: Planning, predictions: Predictions | None, **keywords: Any
) -> Simulation:
    """Nothing is computed; ``keywords`` are those of the backend.

    Tasks take what ``predictions`` say, else what the planner was told or the history knows of them.
    """
    if predictions is not None and not isinstance(predictions, Predictions):
        problem = f"is {predictions!r}: it has to be a planners.numbers.predictions.Predictions."
        raise SettingsError("simulate(predictions=...)", problem)
    model = BackendModel.of_keywords(**keywords)
    caught = handed_over("simulate", collection)
    translation, _ = divided(translate(materialise(caught.graph), caught.keys))
    planning = replace(planning, containers=model.containers)
    if predictions is not None:
        planning = replace(planning, history=None)
    planned = planning.plan(translation)
    if predictions is not None:
        planned = replace(planned, dag=identified(translation))
        tell_of_unmatched("that simulate was given", predictions, planned.dag)
    try:
        numbers = planned.model or planning.model(planned.dag)
        if predictions is not None:
            platform = planning.as_here(Platform())
            numbers = CostModel(predictions, platform)
            model = as_predicted(numbers, planned, model, keywords)
        workload, platform = numbers.workload(planned.dag), numbers.platform
        return simulate(workload, planned.plan, model, platform, planned.due)
    except PlanError as error:
        raise PlanRefused(str(error), error) from error


def as_predicted(
    numbers: CostModel, planned: Planned, model: BackendModel, keywords: dict[str, Any]
) -> BackendModel:
    """With what predictions say of starts and transfers, where keywords do not."""
    workload, platform = numbers.workload(planned.dag), numbers.platform
    memory_mb = platform.memory_of(Resources(model.containers))
    known = BackendModel.of(platform, workload, model.containers, memory_mb)
    return BackendModel.of_keywords(**{**told(known, keywords), **keywords})


def told(known: BackendModel, keywords: dict[str, Any]) -> dict[str, Any]:
    """What predictions say of a backend, as far as keywords do not decide it otherwise."""
    names = {"cold_start", "warm_start", "upload", "download"}
    if "store_rtt" not in keywords:
        names |= {"upload_latency", "download_latency"}
    return {name: getattr(known, name) for name in names}
