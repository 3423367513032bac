"""Patience: by when each bundle of a plan should have begun and ended, if it comes true at all.

A bundle with a slot waits for that slot's container, which may be held up by a task that takes ten
times as long as ever before. Whoever carries the plan out need not wait on: what has not begun by
its time here may go to another container. How late that is follows from how sure the plan is of
itself: from a timeline in which every task takes what only few take, stretched by how far runs of
this graph were from their forecasts, and by an invitation more, since a move costs that.

A bundle that runs longer than that is late, too: those of its tasks that have not begun and need
nothing of the others may be run elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from planners.cost.allowance import Effort
from planners.cost.model import CostModel
from planners.cost.timeline import Timeline, predict_timeline
from planners.graph.arrays import Floats
from planners.graph.dag import Dag
from planners.numbers.predictions import Sla
from planners.numbers.workload import Workload, function_names
from planners.plans.plan import FLEXIBLE, Plan, Prediction, Resources

UPPER: Sla = 95
STRETCH = 1.2  # at least: so far are good forecasts from what comes, whatever tasks take
LEAST_SECONDS = 0.1  # of waiting beyond that: what invitations and busy machines take is no news
SHORTEST_SECONDS = 1.0  # of a makespan: containers look for what is late about once a second
SHARE = 0.02  # of the makespan: what it may take to work this out
# Of a task: to find out which tasks need one another takes a hundredth of that.
PIECE_SECONDS = 1e-4


def nobody() -> Floats:
    return np.zeros(0)


@dataclass(frozen=True, eq=False)
class Patience:
    """By bundle, in seconds; all of it is empty where nothing was measured, or it is not worth it."""

    # Since submission: infinity for those without a slot.
    begins: Floats = field(default_factory=nobody)
    # That it may run: infinity for those that stay whole.
    runs: Floats = field(default_factory=nobody)
    moving_seconds: float = 0.0  # until another container is there


def patience_of(plan: Plan, dag: Dag, model: CostModel, resources: Resources) -> Patience:
    prediction = plan.prediction
    if prediction is None or not prediction.samples or not worth_it(plan, dag):
        return Patience()
    workload = Workload.predict(dag, model.predictions, UPPER)
    timeline = predict_timeline(plan, workload, model.platform, resources)
    stretch = stretch_of(timeline, prediction, model)
    moving = max(LEAST_SECONDS, workload.warm_start(model.platform.memory_of(resources)))
    running = timeline.layout.exec_seconds
    return Patience(
        np.where(plan.slots == FLEXIBLE, np.inf, timeline.begun * stretch + moving),
        np.where(divisible(plan, running), running * stretch + moving, np.inf),
        moving,
    )


def stretch_of(timeline: Timeline, prediction: Prediction, model: CostModel) -> float:
    """By how much a run may take longer than this timeline of long tasks, and come true still."""
    upper = model.outcomes.makespan(timeline.plan.way, prediction.modelled_seconds, UPPER)
    return max(STRETCH, upper / timeline.makespan_seconds)


def divisible(plan: Plan, running: Floats) -> npt.NDArray[np.bool_]:
    """Which bundles have several tasks, none of them tiny."""
    tasks = np.bincount(plan.bundles, minlength=len(plan.slots))
    return np.asarray((tasks > 1) & (running > tasks * PIECE_SECONDS))


def worth_it(plan: Plan, dag: Dag) -> bool:
    """Whether anything waits for a certain container, or could be divided, in a run long enough to
    look after that.
    """
    makespan = plan.prediction.makespan_seconds if plan.prediction else 0.0
    bundles = len(plan.slots)
    if makespan < SHORTEST_SECONDS or bundles < 2:
        return False
    if bundles == dag.tasks and not (plan.slots != FLEXIBLE).any():
        return False
    effort = Effort.workload(len(function_names(dag)), dag.tasks)
    return effort + Effort.timeline(dag.tasks, bundles) < SHARE * makespan
