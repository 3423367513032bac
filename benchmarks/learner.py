"""A client that learns, what its plans said, and what came of them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import sqrt
from statistics import median
from typing import Any

import dask

from benchmarks.deadline import deadline
from benchmarks.graphs import Graph
from benchmarks.rounds import DEADLINE_SECONDS, warm_up
from dask_serverless import Serverless
from dask_serverless.client.report import RunReport
from planners.cost.platform import Platform
from planners.plans.plan import Prediction
from planners.registry import planner_named

NORMAL = 1.4826  # standard deviations in the middle distance from the middle, of a normal curve
OF_MEDIANS = 1.2533  # how much further medians are off than means
SURE = 0.01
MOST = 8  # times as many rounds


@dataclass(frozen=True)
class Outcome:
    """One run: forecast and measured, in seconds from its submission and in money."""

    wall: float  # seconds of the whole call
    seconds: float
    cost: float
    forecast: Prediction | None  # None where the planner makes none
    at_best: float = 0.0  # seconds of its tasks, evenly on all containers

    @property
    def error(self) -> float:
        """How far off the forecast was, as a share of what was measured."""
        assert self.forecast is not None
        return abs(self.forecast.makespan_seconds - self.seconds) / self.seconds

    @property
    def held(self) -> bool:
        return self.forecast is not None and self.seconds <= self.forecast.makespan_seconds


@dataclass
class Learner:
    """Computes graphs, never twice with one seed, by whatever planner it is given."""

    whole: Serverless
    seed: int = 0
    last_run: RunReport | None = None
    views: dict[tuple[Any, ...], Serverless] = field(default_factory=dict)  # by planner and goals

    def view(self, planner: str, **goals: Any) -> Serverless:
        """The same one each time, as a user has it, who pays once for what is new about a planner."""
        told = (planner, *sorted(goals.items()))
        if told not in self.views:
            self.views[told] = self.whole.options(planner=planner_named(planner, **goals))
        return self.views[told]

    def run(self, graph: Graph, planner: str = "auto", **goals: Any) -> Outcome:
        scheduler = self.view(planner, **goals)
        self.seed += 1
        collection = graph.build(self.seed)
        with dask.config.set(scheduler=scheduler), deadline(DEADLINE_SECONDS):
            begun = time.perf_counter()
            dask.compute(collection, scheduler=scheduler)
            wall = time.perf_counter() - begun
        report = self.last_run = scheduler.last_run
        assert report is not None and report.plan is not None
        forecast = report.plan.prediction
        at_best = report.running / max(len(report.containers), 1)
        return Outcome(wall, report.makespan_seconds, cost(report), forecast, at_best)


def cost(report: RunReport) -> float:
    """What it would have cost on a platform that is paid by the second."""
    prices = Platform().prices
    return prices.cost(report.paid_gb_seconds, len(report.containers), report.bytes_moved)


@contextmanager
def learning(containers: int, history: str | bool) -> Iterator[Learner]:
    with Serverless(containers=containers, history=history) as scheduler:
        warm_up(scheduler)
        yield Learner(scheduler)


@dataclass(frozen=True)
class Side:
    """A learner and the planner that it goes by, in a comparison."""

    learner: Learner
    planner: str
    outcomes: list[Outcome] = field(default_factory=list)

    def run(self, graph: Graph, seed: int) -> None:
        self.learner.seed = seed
        self.outcomes.append(self.learner.run(graph, self.planner))


@dataclass(frozen=True)
class Ratio:
    """How long one side took, by the other one."""

    value: float
    give_or_take: float  # one standard error: chance alone moves it by more in one case of three

    @property
    def surely(self) -> float:
        """What is left of it when chance is given the benefit of the doubt."""
        return self.value - 2 * self.give_or_take

    @staticmethod
    def of(ratios: Sequence[float]) -> Ratio:
        """The middle of pairs; one that met a busy neighbour does not move it."""
        middle = median(ratios)
        spread = median(abs(ratio - middle) for ratio in ratios) * NORMAL
        return Ratio(middle, spread * OF_MEDIANS / sqrt(len(ratios)))


def in_turns(graph: Graph, one: Side, other: Side, rounds: int) -> Ratio:
    """Both on the same input in each round; more rounds while chance says more than they do."""
    seed = max(one.learner.seed, other.learner.seed)
    ratios: list[float] = []
    while True:
        for number in range(rounds):
            seed += 1
            for side in (one, other)[:: 1 if number % 2 else -1]:
                side.run(graph, seed)
            ratios.append(one.outcomes[-1].wall / other.outcomes[-1].wall)
        ratio = Ratio.of(ratios)
        if ratio.give_or_take <= SURE or len(ratios) >= MOST * rounds:
            return ratio
