"""A client that learns, what its plans said, and what came of them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
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

    def run(self, graph: Graph, planner: str = "auto", **goals: Any) -> Outcome:
        scheduler = self.whole.options(planner=planner_named(planner, **goals))
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
    platform = Platform()
    gb_seconds = report.gb_seconds(platform.default_memory_mb)
    return platform.prices.cost(gb_seconds, len(report.containers), report.bytes_moved)


@contextmanager
def learning(containers: int, history: str | bool) -> Iterator[Learner]:
    with Serverless(containers=containers, history=history) as scheduler:
        warm_up(scheduler)
        yield Learner(scheduler)


def walls(outcomes: Sequence[Outcome]) -> float:
    return median(outcome.wall for outcome in outcomes)
