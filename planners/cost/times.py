"""Times: when everything happened, forecast or measured alike, and where the time went."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from planners.cost.timeline import Timeline
from planners.graph.arrays import Floats, Ids
from planners.plans.succession import NONE


@dataclass(frozen=True)
class Spent:
    """Of the bundles that delay one another up to the makespan, in seconds: its parts."""

    running: float  # tasks
    fetching: float  # inputs
    storing: float  # outputs
    starting: float  # containers that the path waits for
    waiting: float  # for containers at work on other bundles, and for the store's answers

    @property
    def total(self) -> float:
        return self.running + self.fetching + self.storing + self.starting + self.waiting


@dataclass(frozen=True, eq=False)
class Times:
    """By bundle; seconds since the submission, by the store's clock, or durations in seconds."""

    ready: Floats  # when its last input was announced
    fetching: Floats
    running: Floats
    storing: Floats
    finished: Floats
    container: Ids
    cause: Ids  # the bundle but for whose end this one had begun earlier, or NONE
    first: Ids  # of each container

    @staticmethod
    def forecast(timeline: Timeline) -> Times:
        """What publishing takes is not storing: containers that measure cannot tell it apart."""
        running = timeline.layout.exec_seconds
        announced = timeline.fetched + running + timeline.platform.publish_seconds
        return Times(
            ready=timeline.ready,
            fetching=timeline.fetched - timeline.begun,
            running=running,
            storing=np.maximum(timeline.finished - announced, 0.0),
            finished=timeline.finished,
            container=timeline.container,
            cause=timeline.cause,
            first=firsts(
                timeline.container, np.argsort(timeline.begun, kind="stable").astype(np.int32)
            ),
        )

    @property
    def begun(self) -> Floats:
        return self.finished - self.fetching - self.running - self.storing

    @property
    def waited(self) -> Floats:
        """From the announcement of its last input until a container turned to it."""
        return self.begun - self.ready

    @property
    def makespan_seconds(self) -> float:
        return float(self.finished.max(initial=0.0))

    @cached_property
    def path(self) -> Ids:
        """Bundles, first to last, of which each one delayed the next up to the makespan."""
        path = []
        bundle = int(np.argmax(self.finished)) if len(self.finished) else NONE
        while bundle != NONE:
            path.append(bundle)
            bundle = int(self.cause[bundle])
        return np.array(path[::-1], dtype=np.int32)

    @cached_property
    def spent(self) -> Spent:
        path = self.path
        before = self.cause[path]
        came = np.where(before == NONE, 0.0, self.finished[before])
        gaps = self.begun[path] - came
        starts = np.isin(path, self.first)
        return Spent(
            running=float(self.running[path].sum()),
            fetching=float(self.fetching[path].sum()),
            storing=float(self.storing[path].sum()),
            starting=float(gaps[starts].sum()),
            waiting=float(gaps[~starts].sum()),
        )


def firsts(container: Ids, order: Ids) -> Ids:
    """The first bundle of each container, in an order of bundles."""
    _, places = np.unique(container[order], return_index=True)
    return np.asarray(order[places])


def latest(order: Ids, producers: Ids, consumers: Ids) -> Ids:
    """Of each bundle the producer that comes last in an order, or NONE."""
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    edges = np.argsort(place[producers], kind="stable")
    last = np.full(len(order), NONE, dtype=np.int32)
    last[consumers[edges]] = producers[edges]  # of several, the last one stays
    return last


def predecessors(container: Ids, order: Ids) -> Ids:
    """What each bundle's container did before it, or NONE."""
    grouped = order[np.argsort(container[order], kind="stable")]
    before = np.full(len(order), NONE, dtype=np.int32)
    same = container[grouped[1:]] == container[grouped[:-1]]
    before[grouped[1:][same]] = grouped[:-1][same]
    return before
