"""Pace: how many bundles should be done by when, lest a run with a goal goes on in larger containers.

Of a run that has a deadline (or an SLA, which promises what the plan is forecast to take), the plan
chose sizes by what tasks were expected to take. Where they take longer than the plan's own doubts
allow for, and so much longer that the goal is missed if that goes on, the next larger size may
still keep it, as far as more memory means more of a core. What is done is compared with what the plan
takes at its longest, stretched by all the time that there is until the deadline.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from planners.cost.longest import Longest
from planners.cost.timeline import Timeline
from planners.plans.goals import Goals

WORTH = 0.9  # of the time in the size before: what a larger one takes at most
MOST_LOOKS = 16  # at the pace, over a run
STARTS = 3  # times as long as containers take to start: then they do not come


@dataclass(frozen=True)
class Pace:
    """Times are in seconds; ``due`` says how long after the submission how many bundles are done."""

    sizes_mb: Sequence[int] = ()  # that are worth it, one after the other; none: nothing to keep
    due: Sequence[tuple[float, int]] = ()
    start_seconds: float = 0.0  # of a larger container

    @property
    def patience_seconds(self) -> float:
        """Until a larger container has to be there."""
        return max(10.0, STARTS * self.start_seconds)


NO_PACE = Pace()


def pace_of(longest: Longest, goals: Goals, sizes_mb: Sequence[int]) -> Pace:
    """``sizes_mb`` are those that containers have, the smallest first."""
    forecast = longest.forecast
    promised = goals.deadline is not None or goals.sla != "average"
    if not promised or forecast is None or len(sizes_mb) < 2:
        return NO_PACE
    if not longest.is_worth(timelines=len(sizes_mb)):
        return NO_PACE
    larger = worthwhile(longest, goals, sizes_mb)
    if not larger:
        return NO_PACE
    planned = longest.timeline
    until = goals.deadline or forecast.makespan_seconds
    stretch = max(longest.stretch, until / planned.makespan_seconds)
    start = longest.workload.cold_start(larger[0].size_mb)
    gained = 1 - larger[0].timeline.makespan_seconds / planned.makespan_seconds
    due = [
        (end * stretch + start, count)
        for end, count in ends(planned)
        if (planned.makespan_seconds - end) * stretch * gained > start
    ]
    return Pace([each.size_mb for each in larger], due, start) if due else NO_PACE


@dataclass(frozen=True)
class Larger:
    """The plan with at least so much memory."""

    size_mb: int
    timeline: Timeline


def worthwhile(longest: Longest, goals: Goals, sizes_mb: Sequence[int]) -> list[Larger]:
    """Sizes of which each is faster by enough than the one before, and that the budget allows.

    What was begun in a smaller size is paid for, too: in the worst case nearly all of the run.
    """
    planned, found = longest.timeline, list[Larger]()
    spent, fastest = planned.cost, planned.makespan_seconds
    for size_mb in sizes_mb[1:]:
        plan = replace(planned.plan, memory_mb=np.maximum(planned.plan.memory_mb, size_mb))
        timeline = longest.timeline_of(plan)
        if timeline.makespan_seconds > WORTH * fastest:
            continue
        spent, fastest = spent + timeline.cost, timeline.makespan_seconds
        if goals.budget is not None and spent > goals.budget:
            break
        found.append(Larger(size_mb, timeline))
    return found


def ends(timeline: Timeline) -> list[tuple[float, int]]:
    """When so many bundles are done, at a few places of the run."""
    finished = np.sort(timeline.finished)
    counts = np.unique(np.linspace(0, len(finished), MOST_LOOKS + 1).astype(np.int64))[1:]
    return list(zip(finished[counts - 1].tolist(), counts.tolist(), strict=True))
