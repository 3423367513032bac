"""joining: bundles whose outputs are dearer to move than to make become one; part of clustering.

Containers keep together at run time what one of them makes ready. Nobody can keep together there
what began apart: the two inputs of a sum, taken by two containers, cost a journey in any case. So
whole groups are joined beforehand, as large as the forecast says is best, between a bundle for
each container and its eighth, or everything in a single bundle.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from planners.cost.timeline import Timeline, predict_timeline
from planners.graph.arrays import Floats, Ids, places_in, sums
from planners.graph.quotient import Quotient
from planners.grouping.growing import grow
from planners.optimizations.annotating import worth
from planners.plans.annotations import JoinBundles
from planners.plans.plan import FLEXIBLE, Plan, Resources

PARTS = 1_000_000  # of all the work: weights are whole numbers
SLACK = 1.1  # a group may hold so much more than its share, so that equal ones are not cut
BUNDLES_PER_CONTAINER = (1, 2, 4, 8)


@dataclass(frozen=True)
class Joining:
    """For flexible bundles of one size, before anything was asked of containers for them."""

    least_share: float = 0.1  # moving has to take that share of what tasks take; else why bother
    most_seconds: float = 60.0  # of work in a joined bundle: it runs again if its container is lost
    most_memory: float = 0.5  # share of a container's that outputs in a joined bundle may have

    name: ClassVar[str] = "clustering"

    def improved(self, timeline: Timeline, resources: Resources) -> Timeline:
        if not (self._fits(timeline.plan) and self._worth_a_try(timeline)):
            return timeline
        plans = self._plans(timeline, max(resources.containers, 1))
        workload, platform = timeline.workload, timeline.platform
        others = [predict_timeline(plan, workload, platform, resources) for plan in plans]
        best = min([timeline, *others], key=worth)
        return timeline if best is timeline else _noted(best, timeline)

    def _fits(self, plan: Plan) -> bool:
        flexible = bool((plan.slots == FLEXIBLE).all())
        return flexible and not plan.annotations and len(set(plan.memory_mb.tolist())) == 1

    def _worth_a_try(self, timeline: Timeline) -> bool:
        workload = timeline.workload
        up, down = workload.upload.per_byte, workload.download.per_byte
        moving = up * timeline.bytes_up + down * timeline.bytes_down
        moving += float((timeline.layout.pack_seconds + timeline.layout.unpack_seconds).sum())
        return moving > self.least_share * float(timeline.task_seconds.sum())

    def _plans(self, timeline: Timeline, containers: int) -> Iterator[Plan]:
        plan = timeline.plan
        count = len(plan.slots)
        seconds = sums(plan.bundles, timeline.task_seconds, count)
        graph = Quotient.of_tasks(timeline.workload.dag).merged(plan.bundles, count)
        graph = replace(graph, weights=_weights(seconds))
        counts = {count}
        for share in (1.0, *[SLACK / (containers * many) for many in BUNDLES_PER_CONTAINER]):
            joined_of, joined = _groups(graph, int(PARTS * share) + count)
            if joined not in counts and self._bearable(timeline, joined_of, joined):
                counts.add(joined)
                yield _joined(plan, joined_of, joined)

    def _bearable(self, timeline: Timeline, joined_of: Ids, joined: int) -> bool:
        """Whether no bundle takes too long, or too much memory, by being joined."""
        task_to = joined_of[timeline.plan.bundles]
        together = np.bincount(joined_of, minlength=joined) > 1
        seconds = sums(task_to, timeline.task_seconds, joined)
        nbytes = sums(task_to, timeline.workload.output_bytes, joined)
        memory = self.most_memory * 1e6 * float(timeline.layout.memory_mb[0])
        too_much = (seconds > self.most_seconds) | (nbytes > memory)
        return not bool((together & too_much).any())


def _weights(seconds: Floats) -> Ids:
    """Shares of the whole; nothing weighs nothing."""
    whole = max(float(seconds.sum()), 1e-9)
    return 1 + np.floor(PARTS * seconds / whole).astype(np.int32)


def _groups(graph: Quotient, capacity: int) -> tuple[Ids, int]:
    """Node → group, with ids that rise with the phase; and how many groups."""
    names, phases = grow(graph, capacity, capacity)
    _, firsts, groups = np.unique(names, return_index=True, return_inverse=True)
    order = np.lexsort((firsts, phases[firsts])).astype(np.int32)
    return places_in(order)[groups], len(order)


def _noted(best: Timeline, before: Timeline) -> Timeline:
    saved = max(before.makespan_seconds - best.makespan_seconds, 0.0)
    note = JoinBundles(saves_seconds=saved, fewer=len(before.plan.slots) - len(best.plan.slots))
    return replace(best, plan=replace(best.plan, annotations=(note,)))


def _joined(plan: Plan, joined_of: Ids, joined: int) -> Plan:
    return replace(
        plan,
        bundles=joined_of[plan.bundles],
        slots=np.full(joined, FLEXIBLE, dtype=np.int32),
        memory_mb=np.full(joined, plan.memory_mb[0], dtype=np.int32),
    )
