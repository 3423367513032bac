"""Patience: by when each bundle of a plan should have begun, if the plan comes true at all.

A bundle with a slot waits for that slot's container, which may be held up by a task that takes ten
times as long as ever before. Whoever carries the plan out need not wait on: what has not begun by
its time here may go to another container. How late that is follows from how sure the plan is of
itself: from a timeline in which every task takes what only few take, stretched by how far runs of
this graph were from their forecasts, and by an invitation more, since a move costs that.
"""

from __future__ import annotations

import numpy as np

from planners.cost.allowance import Effort
from planners.cost.model import CostModel
from planners.cost.timeline import predict_timeline
from planners.graph.arrays import Floats
from planners.graph.dag import Dag
from planners.numbers.predictions import Sla
from planners.numbers.workload import Workload, function_names
from planners.plans.plan import FLEXIBLE, Plan, Resources

UPPER: Sla = 95
STRETCH = 1.2  # at least: so far are good forecasts from what comes, whatever tasks take
LEAST_SECONDS = 0.1  # of waiting beyond that: what invitations and busy machines take is no news
SHORTEST_SECONDS = 1.0  # of a makespan: containers look for what is late about once a second
SHARE = 0.02  # of the makespan: what it may take to work this out
NOBODY = np.zeros(0)


def latest_begins(plan: Plan, dag: Dag, model: CostModel, resources: Resources) -> Floats:
    """By bundle, in seconds since submission: infinity for those without a slot.

    None at all where nothing was measured, or where it is not worth its time.
    """
    prediction = plan.prediction
    if prediction is None or not prediction.samples or not worth_it(plan, dag):
        return NOBODY
    workload = Workload.predict(dag, model.predictions, UPPER)
    timeline = predict_timeline(plan, workload, model.platform, resources)
    upper = model.outcomes.makespan(plan.way, prediction.modelled_seconds, UPPER)
    stretch = max(STRETCH, upper / timeline.makespan_seconds)
    moving = max(LEAST_SECONDS, workload.warm_start(model.platform.memory_of(resources)))
    return np.where(plan.slots == FLEXIBLE, np.inf, timeline.begun * stretch + moving)


def worth_it(plan: Plan, dag: Dag) -> bool:
    """Whether any bundle waits for a certain container, in a run long enough to look after that."""
    makespan = plan.prediction.makespan_seconds if plan.prediction else 0.0
    if makespan < SHORTEST_SECONDS or not (plan.slots != FLEXIBLE).any():
        return False
    effort = Effort.workload(len(function_names(dag)), dag.tasks)
    return effort + Effort.timeline(dag.tasks, len(plan.slots)) < SHARE * makespan
