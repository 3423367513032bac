"""Groupings: ways to cut one graph into bundles, tried on paper from coarse to fine."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from planners.graph.arrays import Flags, Ids, places_in
from planners.graph.quotient import Quotient
from planners.grouping.growing import grow
from planners.grouping.packing import share_out
from planners.grouping.trial import Trial, run_trial

BUNDLES_PER_CONTAINER = 8  # so that one slow bundle does not hold up the end
LARGEST_CAPACITY = 4096  # tasks: a bundle is also what is run again when a container is lost
GOOD_STRETCH = 1.1  # trials within this are all the same
CLEARLY_LESS = 0.8  # of the traffic
TASKS_PER_JOURNEY = 32  # where fewer outputs than that travel, there is little to gain
TASKS_PER_SIZE = 16_384  # with each so many tasks, the smallest capacity grows by one, up to
LARGEST_MINIMUM = 8  # tasks: a million bundles of one would keep the store busy for a minute


def coarse_capacity(tasks: int, containers: int) -> int:
    """How many tasks the coarsest bundles hold."""
    return min(-(-tasks // (containers * BUNDLES_PER_CONTAINER)), LARGEST_CAPACITY)


@dataclass(frozen=True, eq=False)
class Groupings:
    """The graph to cut, whose nodes hold ``tasks`` tasks, and how many containers will run it."""

    graph: Quotient
    tasks: int
    containers: int

    def best(self) -> Trial:
        """The coarsest grouping, unless it costs parallelism or moves more than it must."""
        capacity = coarse_capacity(self.tasks, self.containers)
        trial = self.depth_first(capacity)
        common = self.graph.common_roots()
        if common.any():  # a barrier for all others, but one that blocks need not cross
            trial = self._lighter(trial, self.depth_first(capacity, common))
        if trial.stretch() > GOOD_STRETCH:
            return self._finer(capacity, trial)
        travelling = len(trial.travelling)
        if travelling > 2 * trial.bundles and travelling * TASKS_PER_JOURNEY > self.tasks:
            return self._with_less_traffic(capacity, trial)
        return trial

    def depth_first(self, capacity: int, first: Flags | None = None) -> Trial:
        groups, phases = grow(self.graph, capacity, capacity, first=first)
        return self._shared_out(groups, phases, capacity)

    def level_by_level(
        self, capacity: int, merge_capacity: int, apart: Flags | None = None
    ) -> Trial:
        order, levelled = self._levelled
        places = places_in(order)
        apart = None if apart is None else apart[order]
        groups, phases = grow(levelled, capacity, merge_capacity, apart)
        return self._shared_out(order[groups][places], phases[places], capacity)

    @cached_property
    def _levelled(self) -> tuple[Ids, Quotient]:
        order = self.graph.by_level()
        return order, self.graph.reordered(order)

    def _shared_out(self, groups: Ids, phases: Ids, capacity: int) -> Trial:
        depth = int(phases.max()) + 1
        # Few tasks may be long ones: a phase feeds every container, as long as it can be afforded.
        affordable = max(BUNDLES_PER_CONTAINER * self.containers, self.tasks // 32) // depth
        spread = min(4 * self.containers, affordable) if affordable >= self.containers else 1
        bundle_of, bundles = share_out(
            self.graph, groups, phases, capacity, self.containers, spread
        )
        return run_trial(self.graph, bundle_of, bundles, self.containers)

    def _lighter(self, trial: Trial, other: Trial) -> Trial:
        """The other one if it moves clearly less and is as good; else the one to regret less."""
        less = self._traffic(other) < CLEARLY_LESS * self._traffic(trial)
        if less and other.stretch() < GOOD_STRETCH * trial.stretch():
            return other
        return min(trial, other, key=lambda each: each.regret)

    def _with_less_traffic(self, capacity: int, trial: Trial) -> Trial:
        """Another grouping, if it is as good but moves clearly less."""
        best = trial
        for other, share in (
            # What shares blocks gets together before what adds the results up.
            (self.level_by_level(capacity, capacity), CLEARLY_LESS),
            # What takes blocks from a few others only, as a rechunk does, may fall apart into
            # parts that exchange nothing, if only a bundle may hold such a part.
            (self.depth_first(2 * capacity), 0.5),
        ):
            less = self._traffic(other) < share * self._traffic(best)
            if less and other.stretch() < GOOD_STRETCH:
                best = other
        return best

    def _traffic(self, trial: Trial) -> float:
        """Sizes are unknown, but what is read first tends to be larger than what is made of it."""
        return float((1.0 / (1 + self.graph.work_before[trial.travelling]) ** 2).sum())

    def _finer(self, capacity: int, trial: Trial) -> Trial:
        """The least regret of ``trial`` and of those after it, with less capacity each time.

        Depth first, the groups of a stencil become diagonal stripes that run one after the other.
        Level by level, and merged only up to half of what they hold, they become trapezoids.
        """
        path = self.graph.longest_path
        # As wide as a container's part of the graph, and as high.
        trapezoid = max(2, int(self.tasks / path / self.containers) ** 2)
        smallest = min(LARGEST_MINIMUM, 1 + self.tasks // TASKS_PER_SIZE)
        apart = self.graph.sidelined()
        best = trial
        while (
            capacity > smallest
            and best.stretch(path) > GOOD_STRETCH
            and not trial.finer_is_hopeless(path, best)
        ):
            capacity //= 4
            if trial is not best:
                capacity = min(capacity, trapezoid)
            capacity = max(capacity, smallest)
            trial = self.level_by_level(capacity, max(1, capacity // 2), apart)
            best = min(best, trial, key=lambda each: each.regret)
        return best
