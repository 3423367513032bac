"""Events: runs a layout bundle by bundle through virtual time; ten numbers a bundle, no tasks."""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heappop, heappush

import numpy as np

from planners.cost.layout import Layout
from planners.cost.platform import Platform
from planners.errors import Stalled
from planners.graph.arrays import Ids, Offsets, offsets_from_counts
from planners.numbers.workload import Workload
from planners.plans.succession import NONE
from planners.plans.validation import FLEXIBLE

LEAVES = -2  # beside bundles and NONE: the container has nothing to go on with
WARMED = -1  # event rank of a pre-warmed container; those of bundles are 2b and 2b + 1


class Events:
    """Everything in plain lists, because what happens next depends on what happened before.

    Events come in the order of (time, rank): containers that are warm by then, then bundles by id,
    each first ``computed`` (only where what it stores depends on others, see ``AskingEvents``),
    then ``finished``.
    """

    def __init__(
        self, layout: Layout, workload: Workload, platform: Platform, containers: int
    ) -> None:
        self.layout, self.workload, self.platform = layout, workload, platform
        self.containers = containers
        self._read_layout(layout)
        self._read_graph(layout)
        self._read_platform()
        bundles = layout.bundles
        self.ready = [0.0] * bundles  # when the last input was announced
        self.begun = [0.0] * bundles  # when a container turned to it
        self.fetched = [0.0] * bundles
        self.finished = [0.0] * bundles
        self.moved_up = [0.0] * bundles
        self.moved_down = [0.0] * bundles
        self.container = [NONE] * bundles
        self.cause = [NONE] * bundles  # the bundle but for which this one had begun earlier
        self.last_arrival = [NONE] * bundles
        self.expected: dict[int, int] = {}  # bundle → the idle container that waits for it
        self.pending: list[tuple[bool, int]] = []  # a heap: has a slot, ready and without container
        self.queue: list[tuple[float, int, int, int]] = []  # time, rank, memory size, containers
        self.running = 0
        self.invoked: list[float] = []  # of each container
        self.alive: list[float] = []
        self.ended: list[float] = []
        self.cold: list[bool] = []
        self.size: list[int] = []
        self.joined: list[bool] = []  # ran more than one stretch: may hold inputs of a later one

    def _read_layout(self, layout: Layout) -> None:
        self.next: list[int] = layout.next.tolist()
        self.memory: list[int] = layout.memory_mb.tolist()
        self.slots: list[int] = layout.plan.slots.tolist()
        self.is_head: list[bool] = (layout.stretch == np.arange(layout.bundles)).tolist()
        self.exec_seconds: list[float] = layout.exec_seconds.tolist()
        self.store_seconds: list[float] = layout.store_seconds.tolist()
        self.constant_bytes: list[float] = layout.constant_bytes.tolist()
        self.fetch_bytes: list[float] = layout.fetch_bytes.tolist()
        self.unpack_seconds: list[float] = layout.unpack_seconds.tolist()
        self.store_bytes: list[float] = layout.store_bytes.tolist()
        self.early_bytes, self.prewarms = layout.early_bytes, layout.prewarms
        self.coming = layout.coming

    def _read_graph(self, layout: Layout) -> None:
        """Bundles with their producers and users; a stretch of one slot waits for itself, too."""
        bundles = layout.bundles
        producers = layout.crossings.pair_producers
        consumers = layout.crossings.pair_consumers
        self.waiting_for: list[int] = np.bincount(consumers, minlength=bundles).tolist()
        self.parent_offsets: list[int] = _offsets(consumers, bundles).tolist()
        self.parents: list[int] = producers.tolist()
        self.pair_bytes: list[float] = layout.pair_fetch_bytes.tolist()
        self.pair_unpack_seconds: list[float] = layout.pair_unpack_seconds.tolist()
        self.child_offsets: list[int] = _offsets(producers, bundles).tolist()
        self.children: list[int] = consumers[np.argsort(producers, kind="stable")].tolist()

    def _read_platform(self) -> None:
        self.idle_seconds = self.platform.idle_seconds
        self.publish_seconds = self.platform.publish_seconds
        self.download, self.upload = self.workload.download, self.workload.upload
        sizes = {*self.memory}
        self.cold_seconds = {size: self.workload.cold_start(size) for size in sizes}
        self.warm_seconds = {size: self.workload.warm_start(size) for size in sizes}
        self.pool: dict[int, list[float]] = {}  # memory size → since when each one is idle
        for size, count in self.platform.warm:
            self.pool.setdefault(size, []).extend([0.0] * count)

    def run(self) -> Events:
        self._prewarm(NONE, 0.0)
        for bundle, waiting in enumerate(self.waiting_for):
            if waiting == 0 and self.is_head[bundle]:
                self._await_container(bundle)
        self._dispatch(0.0, NONE)
        queue = self.queue
        while queue:
            now, rank, memory, count = heappop(queue)
            if rank == WARMED:
                self.pool.setdefault(memory, []).extend([now] * count)
            elif rank & 1:
                self._finish(rank >> 1, now)
            else:
                self._computed(rank >> 1, now)
        if NONE in self.container:
            bundle = self.pending[0][1] if self.pending else self.container.index(NONE)
            raise Stalled(bundle, self.slots[bundle], self.containers)
        return self

    def _finish(self, bundle: int, now: float) -> None:
        """Its edges are announced; its container goes on, waits or ends; others are invoked."""
        ready = self._announce(bundle, now)
        self._settle(bundle, self._go_on(bundle, ready, now), ready, now)

    def _announce(self, bundle: int, now: float) -> list[int]:
        """The bundles that are ready by it."""
        waiting_for = self.waiting_for
        ready: list[int] = []
        for place in range(self.child_offsets[bundle], self.child_offsets[bundle + 1]):
            child = self.children[place]
            left = waiting_for[child] - 1
            waiting_for[child] = left
            self.last_arrival[child] = bundle
            if left == 0:
                self.ready[child] = now
                ready.append(child)
        return ready

    def _settle(self, bundle: int, taken: int, ready: list[int], now: float) -> None:
        for child in ready:
            if child == taken:
                continue
            if child in self.expected:
                self._begin(child, self.expected.pop(child), now, bundle)
            elif self.is_head[child]:
                self._await_container(child)
        if taken == LEAVES:
            self._take_pending(bundle, now)
        if self.pending and self.running < self.containers:
            self._dispatch(now, bundle)

    def _go_on(self, bundle: int, ready: list[int], now: float) -> int:
        """The bundle that its container takes, NONE if it waits for one, or LEAVES."""
        container = self.container[bundle]
        following = self.next[bundle]
        if following == NONE:
            memory = self.memory[bundle]
            for child in ready:
                flexible = self.slots[child] < 0 and self.is_head[child]
                if flexible and self.memory[child] == memory:
                    self.joined[container] = True
                    self._begin(child, container, now, bundle)
                    return child
            return LEAVES
        if self.waiting_for[following]:  # only inside a slot
            self.expected[following] = container
            return NONE
        if self.is_head[following]:
            self.joined[container] = True
        self._begin(following, container, now, bundle)
        return following

    def _await_container(self, bundle: int) -> None:
        heappush(self.pending, (self.slots[bundle] != FLEXIBLE, bundle))

    def _take_pending(self, bundle: int, now: float) -> None:
        """Who is through takes a flexible bundle that waits, if its memory is right, or ends."""
        container = self.container[bundle]
        has_slot, waiting = self.pending[0] if self.pending else (True, NONE)
        if not has_slot and self.memory[waiting] == self.memory[bundle]:
            heappop(self.pending)
            self.joined[container] = True
            self._begin(waiting, container, now, bundle)
        else:
            self._end(container, now)

    def _begin(self, bundle: int, container: int, now: float, cause: int) -> None:
        self.begun[bundle] = now
        self.container[bundle] = container
        self.cause[bundle] = cause
        if self.joined[container]:
            size, unpacking = self._to_fetch(bundle)
        else:
            size, unpacking = self.fetch_bytes[bundle], self.unpack_seconds[bundle]
        self.moved_down[bundle] = size
        if bundle in self.early_bytes or bundle in self.coming:
            fetched = self._fetch_ahead(bundle, now, size)
        else:
            fetched = now + self.download.base + self.download.per_byte * size if size else now
        self.fetched[bundle] = fetched = fetched + unpacking
        if bundle in self.prewarms:
            self._prewarm(bundle, now)
        self._store(bundle, fetched + self.exec_seconds[bundle])

    def _store(self, bundle: int, computed: float) -> None:
        self.moved_up[bundle] = self.store_bytes[bundle]
        self.finished[bundle] = finished = computed + self.store_seconds[bundle]
        heappush(self.queue, (finished, 2 * bundle + 1, 0, 0))

    def _computed(self, bundle: int, now: float) -> None:
        """Nothing that happens meanwhile changes what it does then, so it is never waited for."""
        self._store(bundle, now)

    def _first(self) -> int:
        """What a container that is invoked begins with."""
        return heappop(self.pending)[1]

    def _dispatch(self, now: float, freed_by: int) -> None:
        """Invokes containers for what is ready, flexible bundles and lower ids first."""
        while self.pending and self.running < self.containers:
            bundle = self._first()
            size = self.memory[bundle]
            idle = self.pool.get(size)
            if idle and now - idle[-1] >= self.idle_seconds:
                idle.clear()  # the last to fall idle is cold by now, so are the others
            is_cold = not idle
            if idle:
                idle.pop()
            self.running += 1
            self.invoked.append(now)
            self.cold.append(is_cold)
            start_seconds = self.cold_seconds if is_cold else self.warm_seconds
            self.alive.append(now + start_seconds[size])
            self.ended.append(now)
            self.size.append(size)
            self.joined.append(False)
            cause = self.last_arrival[bundle] if self.ready[bundle] == now else freed_by
            self._begin(bundle, len(self.alive) - 1, self.alive[-1], cause)

    def _end(self, container: int, now: float) -> None:
        self.ended[container] = now
        self.running -= 1
        self.pool.setdefault(self.size[container], []).append(now)

    def _prewarm(self, trigger: int, now: float) -> None:
        for note in self.prewarms.get(trigger, ()):
            size = note.memory_mb
            warm = now + note.delay_seconds + self.workload.cold_start(size)
            heappush(self.queue, (warm, WARMED, size, note.containers))

    def _to_fetch(self, bundle: int) -> tuple[float, float]:
        """What this very container did not make itself: bytes, and seconds of unpickling."""
        container = self.container[bundle]
        made_by, parents = self.container, self.parents
        size, unpacking = self.constant_bytes[bundle], 0.0
        for place in range(self.parent_offsets[bundle], self.parent_offsets[bundle + 1]):
            if made_by[parents[place]] != container:
                size += self.pair_bytes[place]
                unpacking += self.pair_unpack_seconds[place]
        return size, unpacking

    def _fetch_ahead(self, bundle: int, now: float, size: float) -> float:
        """What was asked for early is here, or on its way; the rest comes when the bundle begins."""
        loaded, early = self._preload(bundle)
        streamed, coming = self._stream(bundle)
        rest = size - early - coming
        return max(now, loaded, streamed) + (self.download.at(rest) if rest > 0 else 0.0)

    def _preload(self, bundle: int) -> tuple[float, float]:
        """Inputs asked for early come one after another from the moment each is stored."""
        early = self.early_bytes.get(bundle, {})
        clock, size = self.alive[self.container[bundle]], 0.0
        for producer in self._elsewhere(bundle, early):
            clock = max(clock, self.finished[producer])
            clock += self.download.at(early[producer]) if early[producer] else 0.0
            size += early[producer]
        return clock, size

    def _stream(self, bundle: int) -> tuple[float, float]:
        """Others come from the moment on when they are being stored."""
        coming = self.coming.get(bundle, {})
        clock, size = self.alive[self.container[bundle]], 0.0
        for producer in self._elsewhere(bundle, coming):
            one, finished = coming[producer], self.finished[producer]
            begun = max(clock, finished - self.store_seconds[producer] - one.lead)
            clock = one.here(begun, finished - self.platform.publish_seconds, self.download)
            size += one.nbytes
        return clock, size

    def _elsewhere(self, bundle: int, producers: Iterable[int]) -> list[int]:
        """Those that have run in other containers, in the order in which they were done."""
        container = self.container[bundle]
        others = [one for one in producers if self.container[one] != container]
        return sorted(others, key=lambda one: (self.finished[one], one))


def _offsets(rows: Ids, count: int) -> Offsets:
    return offsets_from_counts(np.bincount(rows, minlength=count))
