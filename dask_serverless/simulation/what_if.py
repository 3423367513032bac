"""What if: a collection as it would be computed, on a backend that is made up."""

from __future__ import annotations

from typing import Any

from dask_serverless.client.handed_over import handed_over
from dask_serverless.errors import PlanRefused, SettingsError
from dask_serverless.simulation.model import BackendModel
from dask_serverless.simulation.simulation import Simulation, simulate
from dask_serverless.translation.home import divided
from dask_serverless.translation.translate import materialise, translate
from planners.cost.platform import Platform
from planners.errors import PlanError
from planners.numbers.predictions import Constant, Predictions
from planners.numbers.workload import Workload
from planners.plans.plan import Planner, Resources


def what_if(
    collection: Any, planner: Planner, predictions: Predictions | None, **keywords: Any
) -> Simulation:
    """Nothing is computed; ``keywords`` are those of the backend."""
    if predictions is not None and not isinstance(predictions, Predictions):
        problem = f"is {predictions!r}: it has to be a planners.numbers.predictions.Predictions."
        raise SettingsError("simulate(predictions=...)", problem)
    model = BackendModel.of_keywords(**keywords)
    caught = handed_over("simulate", collection)
    translation, _ = divided(translate(materialise(caught.graph), caught.keys))
    dag = translation.dag
    platform, resources = Platform(), Resources(model.containers)
    try:
        workload = Workload.predict(dag, predictions or Constant())
        plan = planner.plan(dag, resources)
        if predictions is not None:
            memory_mb = platform.memory_of(resources)
            known = BackendModel.of(platform, workload, model.containers, memory_mb)
            model = BackendModel.of_keywords(**{**told(known, keywords), **keywords})
        return simulate(workload, plan, model, platform)
    except PlanError as error:
        raise PlanRefused(str(error), error) from error


def told(known: BackendModel, keywords: dict[str, Any]) -> dict[str, Any]:
    """What predictions say of a backend, as far as keywords do not decide it otherwise."""
    names = {"cold_start", "warm_start", "upload", "download"}
    if "store_rtt" not in keywords:
        names |= {"upload_latency", "download_latency"}
    return {name: getattr(known, name) for name in names}
