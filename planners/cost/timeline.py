"""Timeline: the cost model; what a plan takes and costs on a platform, bundle by bundle.

A container is invoked when the first bundle of a slot, or a flexible bundle that nobody goes on
with, is ready and a place is free. It starts cold or warm; then for each bundle it fetches what it
has not got, runs the tasks, stores what others need, and publishes. The container of a slot takes
the slot's bundles in the order of their ids and is held, and paid for, from the first to the last.
A container that has no slot, or is through with it, goes on with one child that it made ready (an
only child, the one with most bytes, rather than a fan-in) and the others are invoked; without such a
child it takes the first flexible bundle that waits for a container. Before it stores much for a
fan-in, it asks whether that may be its own to go on with. Transfers do not slow each other down, and
a bundle's tasks run one after another.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from planners.cost.asking import AskingEvents
from planners.cost.events import Events
from planners.cost.holding import HoldingEvents
from planners.cost.layout import Layout, lay_out
from planners.cost.platform import Platform
from planners.graph.arrays import Floats, Ids
from planners.numbers.workload import Workload
from planners.plans.plan import Plan, Prediction, Resources
from planners.plans.succession import NONE

MB_PER_GB = 1024


@dataclass(frozen=True, eq=False)
class Containers:
    """Every container that the run invokes, in the order of invocation."""

    invoked: Floats
    alive: Floats  # start-up is over
    ended: Floats
    memory_mb: Ids
    cold: npt.NDArray[np.bool_]

    @property
    def gb_seconds(self) -> float:
        return float((self.ended - self.invoked) @ self.memory_mb) / MB_PER_GB


@dataclass(frozen=True, eq=False)
class Timeline:
    """When everything happens. Times are seconds since submission; rows are bundles."""

    plan: Plan
    workload: Workload
    platform: Platform
    layout: Layout
    ready: Floats
    begun: Floats
    fetched: Floats
    finished: Floats
    container: Ids
    cause: Ids  # the bundle but for whose end this one had begun earlier, or NONE
    containers: Containers
    bytes_up: float
    bytes_down: float
    prewarmed: int  # containers started ahead of need
    prewarmed_gb_seconds: float

    @property
    def makespan_seconds(self) -> float:
        return float(self.finished.max(initial=0.0))

    @property
    def gb_seconds(self) -> float:
        return self.containers.gb_seconds + self.prewarmed_gb_seconds

    @property
    def cold_starts(self) -> int:
        """Those that a bundle waits for."""
        return int(self.containers.cold.sum())

    @property
    def bytes_moved(self) -> float:
        return self.bytes_up + self.bytes_down

    @property
    def cost(self) -> float:
        invocations = len(self.containers.invoked) + self.prewarmed
        return self.platform.prices.cost(self.gb_seconds, invocations, self.bytes_moved)

    @cached_property
    def critical_path(self) -> list[int]:
        """Bundles, first to last, of which each one delayed the next up to the makespan."""
        if not len(self.finished):
            return []
        bundle = int(np.argmax(self.finished))
        path = []
        while bundle != NONE:
            path.append(bundle)
            bundle = int(self.cause[bundle])
        return path[::-1]

    @cached_property
    def task_completed(self) -> Floats:
        """Earliest completion of each task; its output leaves only when its bundle is done."""
        bundles = self.plan.bundles
        order = np.argsort(bundles, kind="stable")
        ran = np.cumsum(self.task_seconds[order])
        lasts = np.cumsum(np.bincount(bundles, minlength=len(self.fetched))) - 1
        # Counted from the bundle's end, because copies of other bundles' tasks run first.
        executed = self.fetched + self.layout.exec_seconds
        completed = np.empty(len(bundles))
        completed[order] = (executed - ran[lasts])[bundles[order]] + ran
        return completed

    @property
    def task_seconds(self) -> Floats:
        return self.layout.task_seconds

    def prediction(self) -> Prediction:
        return Prediction(
            makespan_seconds=self.makespan_seconds,
            cost=self.cost,
            gb_seconds=self.gb_seconds,
            cold_starts=self.cold_starts,
            bytes_moved=round(self.bytes_moved),
            modelled_seconds=self.makespan_seconds,
            modelled_gb_seconds=self.gb_seconds,
            samples=self.workload.samples,
        )

    def predicted_plan(self) -> Plan:
        """The plan with what it is expected to take."""
        return replace(self.plan, prediction=self.prediction())


def predict_timeline(
    plan: Plan, workload: Workload, platform: Platform, resources: Resources
) -> Timeline:
    layout = lay_out(plan, workload, platform)
    events = events_of(layout, workload, platform, resources.containers).run()
    prewarms = [note for notes in layout.prewarms.values() for note in notes]
    return Timeline(
        plan=plan,
        workload=workload,
        platform=platform,
        layout=layout,
        ready=np.array(events.ready),
        begun=np.array(events.begun),
        fetched=np.array(events.fetched),
        finished=np.array(events.finished),
        container=np.array(events.container, dtype=np.int32),
        cause=np.array(events.cause, dtype=np.int32),
        containers=Containers(
            np.array(events.invoked),
            np.array(events.alive),
            np.array(events.ended),
            np.array(events.size, dtype=np.int32),
            np.array(events.cold, dtype=np.bool_),
        ),
        bytes_up=sum(events.moved_up),
        bytes_down=sum(events.moved_down),
        prewarmed=sum(note.containers for note in prewarms),
        prewarmed_gb_seconds=sum(
            note.containers * note.memory_mb * workload.cold_start(note.memory_mb) / MB_PER_GB
            for note in prewarms
        ),
    )


def events_of(layout: Layout, workload: Workload, platform: Platform, containers: int) -> Events:
    """As much of what containers do as makes a difference: looking at less takes less time."""
    asks = layout.asks(platform.ask_bytes)
    if (layout.succession.held_for != NONE).any():
        return HoldingEvents(layout, workload, platform, containers, asks)
    if asks:
        return AskingEvents(layout, workload, platform, containers, asks)
    return Events(layout, workload, platform, containers)


def critical_seconds(workload: Workload, memory_mb: int) -> float:
    """The longest path of pure execution: no plan of this memory size is faster."""
    return float(path_seconds(workload, memory_mb).max(initial=0.0))


def path_seconds(workload: Workload, memory_mb: int) -> Floats:
    """Per task, the longest path of pure execution that ends with it."""
    dag = workload.dag
    longest: list[float] = workload.seconds(memory_mb).tolist()
    offsets, inputs = dag.input_offsets.tolist(), dag.inputs.tolist()
    for task in range(dag.tasks):
        first, last = offsets[task], offsets[task + 1]
        if last - first == 1:
            longest[task] += longest[inputs[first]]
        elif last > first:
            longest[task] += max([longest[producer] for producer in inputs[first:last]])
    return np.array(longest)


def lower_bound_seconds(
    workload: Workload, memory_mb: int, platform: Platform, resources: Resources
) -> float:
    """No plan is faster: one start-up, then the longest path, or all work on all containers."""
    start = workload.cold_start(memory_mb)
    if any(count for _, count in platform.warm):
        start = min(start, workload.warm_start(memory_mb))
    work = float(workload.seconds(memory_mb).sum()) / max(resources.containers, 1)
    return start + max(critical_seconds(workload, memory_mb), work) + platform.publish_seconds
