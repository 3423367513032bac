"""Incremental: the timeline of a plan of slots, kept up to date while memory sizes are tried."""

from __future__ import annotations

from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush

import numpy as np

from planners.cost.layout import lay_out
from planners.cost.platform import Platform
from planners.cost.timeline import MB_PER_GB
from planners.graph.arrays import Ids, offsets_from_counts, sums
from planners.numbers.predictions import transfer_seconds
from planners.numbers.workload import Workload
from planners.plans.plan import FLEXIBLE, Plan
from planners.plans.succession import NONE

ROUNDING_SECONDS = 1e-9  # what sums in another order may differ by


@dataclass
class Undo:
    """What trying a memory size overwrote."""

    memory: dict[int, int]  # slot → size
    times: dict[int, tuple[float, float]] = field(default_factory=dict)  # bundle → begun, finished
    cold: dict[int, bool] = field(default_factory=dict)
    late: bool = False  # a bundle ended after its latest


class Incremental:
    """Every bundle has a slot and every slot a container: then only durations change, not order.

    Trying one recomputes what is downstream of the slot and stops where a bundle ends as before.
    """

    def __init__(self, plan: Plan, workload: Workload, platform: Platform) -> None:
        if (plan.slots == FLEXIBLE).any() or plan.annotations:
            raise ValueError("only plans whose bundles all have slots, without annotations")
        self.plan, self.workload, self.platform = plan, workload, platform
        layout = lay_out(plan, workload, platform)
        count = layout.bundles
        crossings = layout.crossings
        parents, children = crossings.pair_producers, crossings.pair_consumers
        names, places = np.unique(plan.slots, return_inverse=True)
        self.count, self.slot_count = count, len(names)
        self.slot: list[int] = places.tolist()
        self.next: list[int] = layout.next.tolist()
        self.previous = [NONE] * count
        for bundle, following in enumerate(self.next):
            if following != NONE:
                self.previous[following] = bundle
        self.parents = _rows(children, parents, count)
        self.children = _rows(parents, children, count)
        fetch = transfer_seconds(workload.download, layout.fetch_bytes) + layout.unpack_seconds
        self.fetch: list[float] = fetch.tolist()
        self.store: list[float] = layout.store_seconds.tolist()
        self.members: list[list[int]] = [[] for _ in range(self.slot_count)]
        for bundle, slot in enumerate(self.slot):
            self.members[slot].append(bundle)
        self.memory = [int(layout.memory_mb[bundles[0]]) for bundles in self.members]
        self.seconds_at: dict[int, list[float]] = {}
        self.steps = 0  # bundles computed so far, which is what trying costs
        self.starts: dict[tuple[int, bool], float] = {}  # (memory, cold) → seconds
        self.begun = [0.0] * count
        self.finished = [0.0] * count
        self.cold = [True] * self.slot_count
        self._settle(range(count), Undo({}))

    @property
    def makespan_seconds(self) -> float:
        return max(self.finished, default=0.0)

    @property
    def gb_seconds(self) -> float:
        return sum(self.slot_gb_seconds(slot) for slot in range(self.slot_count))

    def slot_gb_seconds(self, slot: int) -> float:
        bundles = self.members[slot]
        held = self.finished[bundles[-1]] - self.ready(bundles[0])
        return held * self.memory[slot] / MB_PER_GB

    def seconds(self, memory_mb: int) -> list[float]:
        """Execution time of every bundle at this size."""
        if memory_mb not in self.seconds_at:
            seconds = self.workload.seconds(memory_mb)
            self.seconds_at[memory_mb] = sums(self.plan.bundles, seconds, self.count).tolist()
        return self.seconds_at[memory_mb]

    def ready(self, bundle: int) -> float:
        return max([self.finished[parent] for parent in self.parents[bundle]], default=0.0)

    def try_memory(
        self, slots: list[int], memory_mb: int, latest: list[float] | None = None
    ) -> Undo:
        """The slots with other memory; give what comes back to ``undo`` to drop them.

        Where any bundle ends after its ``latest`` this stops, and has to be dropped.
        """
        undo = Undo({slot: self.memory[slot] for slot in slots})
        for slot in slots:
            self.memory[slot] = memory_mb
        self._settle([bundle for slot in slots for bundle in self.members[slot]], undo, latest)
        return undo

    def undo(self, undo: Undo) -> None:
        for slot, memory_mb in undo.memory.items():
            self.memory[slot] = memory_mb
        for bundle, (begun, finished) in undo.times.items():
            self.begun[bundle], self.finished[bundle] = begun, finished
        for slot, cold in undo.cold.items():
            self.cold[slot] = cold

    def start_seconds(self, slot: int) -> float:
        key = self.memory[slot], self.cold[slot]
        if key not in self.starts:
            start = self.workload.cold_start if self.cold[slot] else self.workload.warm_start
            self.starts[key] = start(self.memory[slot])
        return self.starts[key]

    def latest(self, makespan_seconds: float) -> list[float]:
        """Per bundle, the latest end at which all that follow could still keep this makespan."""
        latest = [makespan_seconds] * self.count
        for bundle in range(self.count - 1, -1, -1):
            following = self.next[bundle]
            if following != NONE:
                spent = self.finished[following] - self.begun[following]
                latest[bundle] = min(latest[bundle], latest[following] - spent)
            for child in self.children[bundle]:
                spent = self.finished[child] - self.begun[child]
                if self.previous[child] == NONE:
                    spent += self.start_seconds(self.slot[child])
                latest[bundle] = min(latest[bundle], latest[child] - spent)
        return latest

    def surely_harms(self, slot: int, memory_mb: int, latest: list[float]) -> bool:
        """A quick look at the slot alone, as if nothing elsewhere changed: no false alarms."""
        seconds = self.seconds(memory_mb)
        clock = self.begun[self.members[slot][0]]
        for bundle in self.members[slot]:
            clock = max(clock, self.ready(bundle)) + self.fetch[bundle] + seconds[bundle]
            clock += self.store[bundle]
            if clock > latest[bundle] + ROUNDING_SECONDS:
                return True
        return False

    def _settle(
        self, changed: range | list[int], undo: Undo, latest: list[float] | None = None
    ) -> None:
        """Until it agrees with which containers are warm, and when.

        Each round fixes at least one more start, because a start depends only on earlier ones.
        """
        self._propagate(changed, undo, latest)
        while not undo.late and (flipped := self._restart(undo)):
            self._propagate([self.members[slot][0] for slot in flipped], undo, latest)

    def _propagate(
        self, changed: range | list[int], undo: Undo, latest: list[float] | None
    ) -> None:
        heap = list(changed)
        heapify(heap)
        queued = set(heap)
        begun, finished, following, times = self.begun, self.finished, self.next, undo.times
        while heap:
            bundle = heappop(heap)
            queued.discard(bundle)
            begins, ends = self._times(bundle)
            self.steps += 1
            if ends == finished[bundle] and begins == begun[bundle]:
                continue
            if bundle not in times:
                times[bundle] = begun[bundle], finished[bundle]
            begun[bundle], finished[bundle] = begins, ends
            if latest is not None and ends > latest[bundle] + ROUNDING_SECONDS:
                undo.late = True
                return
            for other in self.children[bundle]:
                if other not in queued:
                    queued.add(other)
                    heappush(heap, other)
            other = following[bundle]
            if other != NONE and other not in queued:
                queued.add(other)
                heappush(heap, other)

    def _times(self, bundle: int) -> tuple[float, float]:
        finished, slot = self.finished, self.slot[bundle]
        begun = 0.0
        for parent in self.parents[bundle]:
            if finished[parent] > begun:
                begun = finished[parent]
        previous = self.previous[bundle]
        if previous == NONE:
            begun += self.start_seconds(slot)
        elif finished[previous] > begun:
            begun = finished[previous]
        executed = begun + self.fetch[bundle] + self.seconds(self.memory[slot])[bundle]
        return begun, executed + self.store[bundle]

    def _restart(self, undo: Undo) -> list[int]:
        """Slots that were taken for cold and are warm, or the other way round."""
        if not self.platform.warm and self.platform.idle_seconds <= 0:
            return []
        idle: dict[int, list[float]] = {}
        for size, count in self.platform.warm:
            idle.setdefault(size, []).extend([0.0] * count)
        flipped = []
        for now, _, ends, _, slot in self._moments():
            pool = idle.setdefault(self.memory[slot], [])
            if ends:
                pool.append(now)
                continue
            if pool and now - pool[-1] >= self.platform.idle_seconds:
                pool.clear()
            if bool(pool) == self.cold[slot]:
                undo.cold.setdefault(slot, self.cold[slot])
                self.cold[slot] = not pool
                flipped.append(slot)
            if pool:
                pool.pop()
        return flipped

    def _moments(self) -> list[tuple[float, int, bool, int, int]]:
        """Starts and ends of slots in the order of events: (time, trigger, ends, bundle, slot)."""
        moments = []
        for slot, bundles in enumerate(self.members):
            first, last = bundles[0], bundles[-1]
            came = [(self.finished[parent], parent) for parent in self.parents[first]]
            ready, trigger = max(came, default=(0.0, NONE))
            moments.append((ready, trigger, False, first, slot))
            moments.append((self.finished[last], last, True, last, slot))
        return sorted(moments, key=lambda moment: (moment[0], moment[1], not moment[2], moment[3]))


def _rows(rows: Ids, values: Ids, count: int) -> list[list[int]]:
    order = np.argsort(rows, kind="stable")
    offsets = offsets_from_counts(np.bincount(rows, minlength=count)).tolist()
    ordered = values[order].tolist()
    return [ordered[offsets[row] : offsets[row + 1]] for row in range(count)]
