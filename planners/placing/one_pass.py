"""One pass: what every way to give units to slots keeps track of while it goes through them."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from planners.numbers.workload import Workload
from planners.placing.placement import Placement
from planners.placing.units import Units


class OnePass(ABC):
    """Each unit once, in the given order, to the slot that ``_place`` decides on; plain lists."""

    def __init__(
        self, units: Units, workload: Workload, order: list[int], starting: list[float]
    ) -> None:
        self.units, self.order = units, order
        self.slots, self.starting = len(starting), starting  # seconds, of each slot's container
        self.download = units.download
        self.seconds: list[float] = units.seconds.tolist()
        self.constant_bytes: list[float] = units.constant_bytes.tolist()
        self.offsets: list[int] = units.parent_offsets.tolist()
        self.parents: list[int] = units.parents.tolist()
        self.bytes: list[float] = units.parent_bytes.tolist()
        self.slot = [0] * units.count
        self.start = [0.0] * units.count
        self.end = [0.0] * units.count
        self.free: list[float] = []  # per opened slot, the end of the last unit

    def run(self) -> Placement:
        for unit in self.order:
            self._place(unit)
        elsewhere = np.array(self._there())
        return Placement(np.array(self.slot, dtype=np.int32), np.array(self.start), elsewhere)

    def _there(self) -> list[float]:
        """Per unit, when its output is elsewhere."""
        return self.end

    @abstractmethod
    def _place(self, unit: int) -> None: ...
