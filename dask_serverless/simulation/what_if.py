"""What if: collections as they would be computed, on a backend that is made up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from dask_serverless.client.handed_over import handed_over
from dask_serverless.client.informing import prepared
from dask_serverless.client.planning import Planning, late, tell_of_unmatched, with_flags
from dask_serverless.errors import PlanRefused, SettingsError
from dask_serverless.history.tasks import identified
from dask_serverless.simulation.elsewhere import elsewhere, unhurried
from dask_serverless.simulation.model import BackendModel
from dask_serverless.simulation.simulation import Simulation, simulate
from dask_serverless.translation.home import divided
from dask_serverless.translation.translate import Translation, materialise, translate
from planners.aimed import informed
from planners.cost.longest import Longest
from planners.cost.model import CostModel
from planners.cost.patience import patience_of
from planners.errors import PlanError
from planners.graph.dag import Dag
from planners.numbers.predictions import Predictions
from planners.numbers.workload import Workload
from planners.plans.plan import Plan, Resources


def what_if(
    collections: tuple[Any, ...],
    planning: Planning,
    predictions: Predictions | None,
    **keywords: Any,
) -> Simulation:
    """Nothing is computed; ``keywords`` are those of the backend.

    Tasks take what ``predictions`` say, else what the planner was told or the history knows of them.
    """
    if predictions is not None and not isinstance(predictions, Predictions):
        problem = f"is {predictions!r}: it has to be a planners.numbers.predictions.Predictions."
        raise SettingsError("simulate(predictions=...)", problem)
    keywords = {"containers": planning.containers, "prices": planning.prices(), **keywords}
    there = BackendModel.of_keywords(**keywords)
    check(collections)
    caught = handed_over("simulate", *collections)
    translation, _ = divided(translate(materialise(caught.graph), caught.keys))
    # A planner knows nothing of containers that a platform does not let run.
    planning = replace(planning, containers=min(there.containers, there.limit))
    try:
        dag, here = known(planning, translation, predictions)
        if predictions is not None:
            there = as_predicted(here, dag, there, keywords)
        numbers = elsewhere(here, there)
        plan, due = planned(planning, numbers, dag, translation)
        workload = numbers.workload(dag, planning.containers)
        return simulate(workload, plan, there, numbers.platform, due, planning.sparing)
    except PlanError as error:
        raise PlanRefused(str(error), error) from error


def check(collections: tuple[Any, ...]) -> None:
    """Dask hands on what is no collection; here it is a keyword whose name was left out."""
    plain = [each for each in collections if isinstance(each, int | float | str)]
    if plain and len(plain) < len(collections):
        raise TypeError(
            f"simulate() got {plain[0]!r} beside a collection: what describes the backend has a "
            "name, as in simulate(x, y, containers=1000)."
        )


def known(
    planning: Planning, translation: Translation, predictions: Predictions | None
) -> tuple[Dag, CostModel]:
    """Of the tasks."""
    dag = with_flags(identified(translation), translation)
    if predictions is None:
        return dag, planning.model(dag, newest=True)
    tell_of_unmatched("that simulate was given", predictions, dag)
    here = replace(planning, history=None).model(dag)
    platform = planning.at_speed_of_lambda(here.platform)
    return dag, replace(here, predictions=predictions, platform=platform)


def planned(
    planning: Planning, numbers: CostModel, dag: Dag, translation: Translation
) -> tuple[Plan, Sequence[int]]:
    """As a run would be there, but anew and by no clock, and when bundles should have begun."""
    ready = prepared(planning.planner, planning.optimizations)
    planner = informed(unhurried(ready.planner), numbers)
    if not ready.asks:
        return planning.planned(planner, dag, translation), ()
    plan = planning.by_numbers(planner, dag, translation)
    if "replanning" not in planning.optimizations:
        return plan, ()
    return plan, late(patience_of(Longest(plan, dag, numbers, planning.resources)))[0]


def as_predicted(
    here: CostModel, dag: Dag, there: BackendModel, keywords: dict[str, Any]
) -> BackendModel:
    """With what predictions say of starts and transfers, where keywords do not."""
    workload, platform = Workload.predict(dag, here.predictions), here.platform
    memory_mb = platform.memory_of(Resources(there.containers))
    known = BackendModel.of(platform, workload, there.containers, memory_mb)
    return BackendModel.of_keywords(**{**told(known, keywords), **keywords})


def told(known: BackendModel, keywords: dict[str, Any]) -> dict[str, Any]:
    """What predictions say of a backend, as far as keywords do not decide it otherwise."""
    names = {"cold_start", "warm_start", "upload", "download"}
    if "store_rtt" not in keywords:
        names |= {"upload_latency", "download_latency"}
    return {name: getattr(known, name) for name in names}
