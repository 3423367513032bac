"""Plan: which task goes into which bundle, which bundle to which slot, with what memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from planners.dag import Dag

FLEXIBLE = -1  # the slot of a bundle that any container may run


@dataclass(frozen=True)
class Resources:
    """What a planner may count on."""

    containers: int  # how many run at once at most
    memory_mb: int = 0  # of one container; 0: the backend's default


@dataclass(frozen=True)
class Prediction:
    """What a plan is expected to take and to cost."""

    makespan_seconds: float
    cost: float  # money, by the price table of whoever predicted
    gb_seconds: float
    cold_starts: int
    bytes_moved: int  # through the store, up and down


@dataclass(frozen=True, eq=False)
class Plan:
    """The answer of a planner, checked by ``validate`` before anything runs."""

    planner: str
    bundles: npt.NDArray[np.int32]  # task → bundle; bundle ids are topological: edges go upwards
    slots: npt.NDArray[np.int32]  # bundle → slot, or FLEXIBLE
    memory_mb: npt.NDArray[np.int32]  # bundle → memory of its container; 0: the backend's default
    annotations: tuple[object, ...] = field(default=())  # what optimizations ask containers to do
    prediction: Prediction | None = None


class Planner(Protocol):
    """What a user's own planner implements; see the entry point group ``dask_serverless.planners``."""

    name: str

    def plan(self, dag: Dag, resources: Resources) -> Plan: ...
