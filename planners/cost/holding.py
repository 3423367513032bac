"""Holding: events where outputs are held back, and containers work on something else meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappop, heappush

from planners.cost.asking import AskingEvents
from planners.cost.events import LEAVES
from planners.cost.layout import Edge, Layout
from planners.cost.platform import Platform
from planners.numbers.workload import Workload
from planners.plans.succession import NONE
from planners.plans.validation import FLEXIBLE

NEIGHBOURS = 64  # bundles with ids that much higher are none
GOLDEN = 0.6180339887  # steps of this share of a circle come nowhere near each other for long

Held = dict[int, float]  # bundle → until when its output may wait


class HoldingEvents(AskingEvents):
    """As containers do it where a plan asks for outputs to be held back.

    Each call of a container tells what it has run, and asks for more. If a fan-in lacks nothing
    but what the container holds, it goes on with that one. Otherwise it takes another bundle, one
    that makes the other inputs if there is any; so the output waits while there is work. Without
    any, all that the container holds is stored at once; and what has waited for its time is
    stored by a thread while another bundle runs, whose own call comes after that. Since who
    begins next to what others hold would take what they wait for, containers begin far apart.
    """

    def __init__(
        self,
        layout: Layout,
        workload: Workload,
        platform: Platform,
        containers: int,
        asks: Sequence[Edge],
    ) -> None:
        super().__init__(layout, workload, platform, containers, asks)
        self._read_waits(layout, asks)
        self.spread = max(self.slots, default=FLEXIBLE) == FLEXIBLE and len(set(self.memory)) == 1
        self.held: dict[int, Held] = {}  # by container
        self.waits: set[int] = set()  # bundles that hold something back, or run where others do
        self.ran: set[int] = set()  # of these
        self.aside: set[int] = set()  # stored by a thread
        self.together: dict[int, list[int]] = {}  # bundle → all held ones, stored with it
        self.storing: dict[int, float] = {}  # container → when its thread is through
        self.after: dict[int, int] = {}  # container → the last bundle that it took from the queue
        self.awaiting: set[int] = set()  # what is pending; the heap may have others, too

    def _read_waits(self, layout: Layout, asks: Sequence[Edge]) -> None:
        """Where the plan says nothing: other bundles take as long as this one, as far as anybody
        knows. While these are shorter than storing it, a large output waits, too, in such a plan.
        """
        self.held_seconds: list[float] = layout.succession.held_seconds.tolist()
        for bundle, _, size in asks:
            storing = self.upload.per_byte * size
            of_itself = layout.succession.held_for[bundle] == NONE
            if of_itself and self.exec_seconds[bundle] < storing:
                self.held_seconds[bundle] = storing

    # what a container does with what it has made

    def _store(self, bundle: int, computed: float) -> None:
        """What it does then depends on what happens until then, if anything is held back."""
        if self.held_seconds[bundle] or self.held.get(self.container[bundle]):
            self.waits.add(bundle)
            heappush(self.queue, (computed, 2 * bundle, 0, 0))
        else:
            super()._store(bundle, computed)

    def _computed(self, bundle: int, now: float) -> None:
        """It has run, and a call tells of it; or the time is up for which it may be held back."""
        if bundle not in self.waits:
            super()._computed(bundle, now)
        elif bundle not in self.ran:
            self.ran.add(bundle)
            self._tell(bundle, self._free(self.container[bundle], now))
        elif bundle in self.held.get(self.container[bundle], ()):
            self._store_aside(bundle, now)

    def _free(self, container: int, now: float) -> float:
        """When the container's thread is through, which comes before any other call."""
        return max(now, self.storing.get(container, 0.0))

    def _tell(self, bundle: int, now: float) -> None:
        if self.held_for[bundle] == NONE:
            super()._store(bundle, now)
            return
        self.held.setdefault(self.container[bundle], {})[bundle] = now + self.held_seconds[bundle]
        answered = self._call(bundle, self.store_bytes[bundle] - self.kept_bytes[bundle], now)
        heappush(self.queue, (answered, 2 * bundle + 1, 0, 0))

    def _store_aside(self, bundle: int, now: float) -> None:
        container = self.container[bundle]
        del self.held[container][bundle]
        self.aside.add(bundle)
        self.storing[container] = self._give(bundle, self._free(container, now))

    def _store_all(self, container: int, now: float) -> None:
        """It has nothing else to do."""
        bundles = list(self.held.pop(container))
        first = bundles[0]
        self.together[first] = bundles
        size = sum(self.kept_bytes[bundle] for bundle in bundles)
        begun = self._free(container, now)
        packed = begun + sum(self.pack_seconds[bundle] for bundle in bundles)
        answered = self._call(first, size, packed)
        heappush(self.queue, (answered, 2 * first + 1, 0, 0))
        for bundle in bundles[1:]:
            self.finished[bundle] = answered

    # what it goes on with

    def _finish(self, bundle: int, now: float) -> None:
        """A call is answered."""
        if bundle in self.aside:
            self._settle(bundle, NONE, self._announce(bundle, now), now)
        elif bundle in self.together:
            ready = [one for each in self.together.pop(bundle) for one in self._announce(each, now)]
            self._settle(bundle, self._go_on(bundle, ready, now), ready, now)
        elif self.held.get(self.container[bundle]):
            self._answered(bundle, now)
        else:
            super()._finish(bundle, now)

    def _answered(self, bundle: int, now: float) -> None:
        """To a container that holds something back, this bundle or others."""
        container = self.container[bundle]
        held = self.held[container]
        ready = [] if bundle in held else self._announce(bundle, now)
        taken = self._fan_in(held) if self.next[bundle] == NONE else NONE
        if taken != NONE:
            for lender in [one for one in held if self.held_for[one] == taken]:
                del held[lender]
                self.finished[lender] = now
                ready += self._announce(lender, now)
            self.joined[container] = True
            self._begin(taken, container, now, bundle)
        else:
            taken = self._go_on(bundle, ready, now)
        self._settle(bundle, taken, ready, now)
        if bundle in held and container in self.held:
            heappush(self.queue, (held[bundle], 2 * bundle, 0, 0))

    def _fan_in(self, held: Held) -> int:
        """One that lacks nothing but what the container holds, or NONE; the last held comes first."""
        children = [self.held_for[bundle] for bundle in reversed(held)]
        for child in children:
            if self.waiting_for[child] == children.count(child):
                return child
        return NONE

    def _go_on(self, bundle: int, ready: list[int], now: float) -> int:
        held = self.held.get(self.container[bundle])
        if held and self.next[bundle] == NONE and not _patient(held, now):
            return LEAVES
        taken = super()._go_on(bundle, ready, now)
        if held and taken == NONE:  # the next one of its slot is not ready
            for one in list(held):
                self._store_aside(one, now)
        return taken

    def _take_pending(self, bundle: int, now: float) -> None:
        container = self.container[bundle]
        held = self.held.get(container)
        if not held:
            if self.pending and not self.pending[0][0]:
                self.after[container] = self.pending[0][1]
            super()._take_pending(bundle, now)
        elif _patient(held, now) and (other := self._meanwhile(bundle, held)) != NONE:
            self.after[container] = other
            self.joined[container] = True
            self._begin(other, container, now, bundle)
        else:
            self._store_all(container, now)

    def _meanwhile(self, bundle: int, held: Held) -> int:
        """A bundle whose output meets one that is held, or a neighbour of the last, or any, or NONE."""
        for one in reversed(held):
            child = self.held_for[one]
            for place in range(self.parent_offsets[child], self.parent_offsets[child + 1]):
                if self._fits(self.parents[place], bundle):
                    return self.parents[place]
        after = self.after.get(self.container[bundle], NONE) + 1
        for other in range(after, min(after + NEIGHBOURS, len(self.slots))):
            if self._fits(other, bundle):
                return other
        first = self.pending[0][1] if self.pending else NONE
        return first if first != NONE and self._fits(first, bundle) else NONE

    def _fits(self, other: int, bundle: int) -> bool:
        flexible = other in self.awaiting and self.slots[other] == FLEXIBLE
        return flexible and self.memory[other] == self.memory[bundle]

    # what is pending

    def _await_container(self, bundle: int) -> None:
        super()._await_container(bundle)
        self.awaiting.add(bundle)

    def _first(self) -> int:
        place = 0
        if self.spread:
            place = int(GOLDEN * self.running % 1 * len(self.awaiting))
        first = sorted(self.awaiting)[place] if place else self.pending[0][1]
        self.after[len(self.alive)] = first
        return first

    def _begin(self, bundle: int, container: int, now: float, cause: int) -> None:
        self.awaiting.discard(bundle)
        while self.pending and self.pending[0][1] not in self.awaiting:
            heappop(self.pending)
        super()._begin(bundle, container, now, cause)


def _patient(held: Held, now: float) -> bool:
    return all(until > now for until in held.values())
