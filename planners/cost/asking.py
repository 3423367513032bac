"""Asking: events where containers ask, before they store much, whether they may go on with its user."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappush

import numpy as np

from planners.cost.events import Events
from planners.cost.layout import Edge, Layout
from planners.cost.platform import Platform
from planners.graph.arrays import sums
from planners.numbers.workload import Workload
from planners.plans.succession import NONE


class AskingEvents(Events):
    """A container that has run the last input of a fan-in goes on with that and stores nothing.

    Whether it is the last one, only the store can tell, so the container asks; if it is not, the
    output is stored and announced by a second call. Containers ask where a plan says so
    (``CheckFanIn``), and of their own accord where storing takes longer than a call (``asks``).
    """

    def __init__(
        self,
        layout: Layout,
        workload: Workload,
        platform: Platform,
        containers: int,
        asks: Sequence[Edge],
    ) -> None:
        super().__init__(layout, workload, platform, containers)
        self.held_for: list[int] = layout.succession.held_for.tolist()
        self.kept_bytes: list[float] = (layout.store_bytes - layout.held_bytes).tolist()
        self.pack_seconds: list[float] = layout.pack_seconds.tolist()
        if asks:
            wanted = np.where(workload.dag.wanted, workload.output_bytes, 0.0)
            kept = layout.store_bytes - sums(layout.plan.bundles, wanted, layout.bundles)
        for bundle, child, _ in asks:
            if self.held_for[bundle] == NONE:
                self.held_for[bundle] = child
                self.kept_bytes[bundle] = float(kept[bundle])

    def _store(self, bundle: int, computed: float) -> None:
        if self.held_for[bundle] == NONE:
            super()._store(bundle, computed)
        else:
            size = self.store_bytes[bundle] - self.kept_bytes[bundle]
            heappush(self.queue, (self._call(bundle, size, computed), 2 * bundle, 0, 0))

    def _call(self, bundle: int, size: float, begun: float) -> float:
        """When it is answered."""
        self.moved_up[bundle] += size
        stored = begun + self.upload.base + self.upload.per_byte * size if size else begun
        self.finished[bundle] = answered = stored + self.publish_seconds
        return answered

    def _give(self, bundle: int, begun: float) -> float:
        """When its output is stored and announced."""
        packed = begun + self.pack_seconds[bundle]
        answered = self._call(bundle, self.kept_bytes[bundle], packed)
        heappush(self.queue, (answered, 2 * bundle + 1, 0, 0))
        return answered

    def _computed(self, bundle: int, now: float) -> None:
        """It has asked."""
        fan_in = self.held_for[bundle]
        if self.waiting_for[fan_in] > 1:
            self._give(bundle, now)
            return
        ready = self._announce(bundle, now)
        container = self.container[bundle]
        self.joined[container] = True
        self._begin(fan_in, container, now, bundle)
        self._settle(bundle, fan_in, ready, now)
