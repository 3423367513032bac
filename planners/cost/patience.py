"""Patience: by when each bundle of a plan should have begun and ended, if it comes true at all.

A bundle with a slot waits for that slot's container, which may be held up by a task that takes ten
times as long as ever before. Whoever carries the plan out need not wait on: what has not begun by
its time here may go to another container. How late that is follows from what the plan takes at its
longest, and from what an invitation more takes, since a move costs that.

A bundle that runs longer than that is late, too: those of its tasks that have not begun and need
nothing of the others may be run elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from planners.cost.longest import Longest
from planners.graph.arrays import Floats
from planners.plans.plan import FLEXIBLE, Plan

LEAST_SECONDS = 0.1  # of waiting beyond that: what invitations and busy machines take is no news
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


def patience_of(longest: Longest) -> Patience:
    plan, model = longest.plan, longest.model
    if not (waits_or_divides(plan, longest.dag.tasks) and longest.is_worth(timelines=1)):
        return Patience()
    memory_mb = model.platform.memory_of(longest.resources)
    moving = max(LEAST_SECONDS, longest.workload.warm_start(memory_mb))
    timeline, stretch = longest.timeline, longest.stretch
    running = timeline.layout.exec_seconds
    return Patience(
        np.where(plan.slots == FLEXIBLE, np.inf, timeline.begun * stretch + moving),
        np.where(divisible(plan, running), running * stretch + moving, np.inf),
        moving,
    )


def waits_or_divides(plan: Plan, tasks: int) -> bool:
    """Whether anything waits for a certain container, or could be divided."""
    return len(plan.slots) < tasks or bool((plan.slots != FLEXIBLE).any())


def divisible(plan: Plan, running: Floats) -> npt.NDArray[np.bool_]:
    """Which bundles have several tasks, none of them tiny."""
    tasks = np.bincount(plan.bundles, minlength=len(plan.slots))
    return np.asarray((tasks > 1) & (running > tasks * PIECE_SECONDS))
