"""auto: predicts every candidate and takes the one that serves the goal; says why others lost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

from planners.cost.platform import Platform
from planners.cost.timeline import Timeline, predict_timeline
from planners.errors import GoalError, PlanError
from planners.graph.dag import Dag
from planners.list_schedule import EFFORT, ListSchedule
from planners.non_uniform import NonUniform, best_memory
from planners.numbers.predictions import Constant, Predictions, Sla
from planners.numbers.workload import Workload
from planners.optimizations.optimization import ALL, Optimization, optimize
from planners.plans.annotations import Chosen
from planners.plans.checked import CheckedPlanner
from planners.plans.plan import Plan, Planner, Prediction, Resources
from planners.simple import Simple
from planners.structural import Structural
from planners.uniform import Uniform
from planners.wukong import Wukong

MANY_TASKS = 20_000  # beyond this many, try fewer memory sizes and optimize only what leads


@dataclass(frozen=True, eq=False)
class Candidate:
    """A plan that could be run, or the reason why there is none."""

    name: str
    timeline: Timeline | None
    error: str = ""

    @property
    def prediction(self) -> Prediction:
        assert self.timeline is not None
        return self.timeline.prediction()


@dataclass(frozen=True)
class Given:
    """A plan that was made already, as a planner."""

    made: Plan

    @property
    def name(self) -> str:
        return self.made.planner

    def plan(self, dag: Dag, resources: Resources) -> Plan:
        return self.made


@dataclass(frozen=True)
class Auto:
    """The fastest; with ``deadline`` the cheapest in time, with ``budget`` the fastest for it.

    With both, the cheapest that meets both. ``planners`` adds a user's own to the candidates.
    """

    predictions: Predictions = field(default_factory=Constant)
    platform: Platform = field(default_factory=Platform)
    sla: Sla = "average"
    deadline: float | None = None  # seconds
    budget: float | None = None  # money, by the platform's prices
    planners: tuple[Planner, ...] = ()
    optimizations: tuple[Optimization, ...] = ALL

    name: ClassVar[str] = "auto"

    def __post_init__(self) -> None:
        for goal, value in (("deadline", self.deadline), ("budget", self.budget)):
            if value is not None and not value > 0:
                raise PlanError(f"{goal} is {value}: it must be above zero, or None for no {goal}")

    def plan(self, dag: Dag, resources: Resources) -> Plan:
        workload = Workload.predict(dag, self.predictions, self.sla)
        candidates = list(self._candidates(workload, resources))
        alive = [candidate for candidate in candidates if candidate.timeline is not None]
        if not alive:
            raise PlanError("; ".join(f"{one.name}: {one.error}" for one in candidates))
        alive += [self._optimized(one, resources) for one in self._worth_optimizing(alive, dag)]
        best = min(self._meeting_goal(alive), key=self._order)
        assert best.timeline is not None
        failed = [candidate for candidate in candidates if candidate.timeline is None]
        note = self._explain(best, alive + failed)
        plan = best.timeline.predicted_plan()
        return replace(plan, annotations=(note, *plan.annotations))

    def _candidates(self, workload: Workload, resources: Resources) -> Iterator[Candidate]:
        sizes = self._sizes(workload, resources)
        for size in sizes:
            sized = replace(resources, memory_mb=size)
            for planner in self._planners_of(size, EFFORT // len(sizes)):
                tried = self._tried(planner, workload, sized)
                yield tried
                if size == sizes[0] and not resources.memory_mb:
                    yield from self._reduced(tried, planner, workload, sized)
        for planner in self.planners:
            yield self._tried(planner, workload, resources)

    def _planners_of(self, memory_mb: int, effort: int) -> Sequence[Planner]:
        numbers = (self.predictions, self.platform, self.sla, memory_mb)
        scheduled = ListSchedule(*numbers, effort=effort)
        return Structural(), Wukong(), Simple(), Uniform(*numbers), scheduled

    def _reduced(
        self, tried: Candidate, planner: Planner, workload: Workload, resources: Resources
    ) -> Iterator[Candidate]:
        """The slots of a planner that chose them by numbers, with less memory where it is idle."""
        numbers = (self.predictions, self.platform, self.sla)
        limit = self.deadline or 0.0
        if isinstance(planner, Uniform):
            start = None
        elif isinstance(planner, ListSchedule) and tried.timeline is not None:
            start = Given(tried.timeline.plan)
        else:
            return
        reducer = NonUniform(*numbers, start=start, slack=0.0, limit_seconds=limit)
        yield self._tried(reducer, workload, resources)

    def _sizes(self, workload: Workload, resources: Resources) -> list[int]:
        """Only the best for the fastest plan; all of them where money counts."""
        if resources.memory_mb:
            return [resources.memory_mb]
        best = best_memory(workload, self.platform)
        if self.deadline is None and self.budget is None:
            return [best]
        sizes = [size for size in self.platform.fitting_sizes(workload) if size <= best]
        return sizes[::-1] if workload.dag.tasks <= MANY_TASKS else [sizes[-1], sizes[0]]

    def _tried(self, planner: Planner, workload: Workload, resources: Resources) -> Candidate:
        started = f" from {start.name}" if (start := getattr(planner, "start", None)) else ""
        name = f"{planner.name}{started} at {resources.memory_mb} MB"
        try:
            if resources.memory_mb:
                self.platform.check_memory(workload, resources.memory_mb)
            plan = CheckedPlanner(planner, planner.name).plan(workload.dag, resources)
            return Candidate(name, predict_timeline(plan, workload, self.platform, resources))
        except PlanError as error:  # a user's planner may do anything; the others still stand
            return Candidate(name, None, str(error))

    def _worth_optimizing(self, alive: list[Candidate], dag: Dag) -> list[Candidate]:
        if not self.optimizations:
            return []
        return alive if dag.tasks <= MANY_TASKS // 10 else sorted(alive, key=self._order)[:1]

    def _optimized(self, candidate: Candidate, resources: Resources) -> Candidate:
        assert candidate.timeline is not None
        timeline = optimize(candidate.timeline, resources, self.optimizations)
        return Candidate(f"{candidate.name}, optimized", timeline)

    def _order(self, candidate: Candidate) -> tuple[float, float]:
        prediction = candidate.prediction
        keys = round(prediction.makespan_seconds, 9), prediction.cost
        return keys[::-1] if self.deadline is not None else keys

    def _meeting_goal(self, alive: list[Candidate]) -> list[Candidate]:
        meeting = [candidate for candidate in alive if not self._missed(candidate.prediction)]
        if meeting:
            return meeting
        predictions = [candidate.prediction for candidate in alive]
        fastest = min(predictions, key=lambda one: one.makespan_seconds)
        cheapest = min(predictions, key=lambda one: one.cost)
        goals = [
            f"the deadline of {self.deadline} s" if self.deadline is not None else "",
            f"the budget of {self.budget}" if self.budget is not None else "",
        ]
        raise GoalError(" and ".join(filter(None, goals)), fastest, cheapest)

    def _missed(self, prediction: Prediction) -> str:
        if self.deadline is not None and prediction.makespan_seconds > self.deadline:
            return f"takes {prediction.makespan_seconds:.3f} s, past the deadline"
        if self.budget is not None and prediction.cost > self.budget:
            return f"costs {prediction.cost:.6f}, over the budget"
        return ""

    def _explain(self, best: Candidate, candidates: list[Candidate]) -> Chosen:
        others = [one for one in candidates if one is not best]
        chosen = best.prediction
        slower = [
            one.prediction.makespan_seconds - chosen.makespan_seconds
            for one in others
            if one.timeline is not None
        ]
        return Chosen(
            saves_seconds=max(min(slower, default=0.0), 0.0),
            name=best.name,
            why=f"{chosen.makespan_seconds:.3f} s for {chosen.cost:.6f}",
            others=tuple((one.name, self._why_not(one, chosen)) for one in others),
        )

    def _why_not(self, candidate: Candidate, chosen: Prediction) -> str:
        if candidate.timeline is None:
            return candidate.error
        prediction = candidate.prediction
        if missed := self._missed(prediction):
            return missed
        if self.deadline is not None:
            return f"costs {prediction.cost:.6f}, {prediction.cost - chosen.cost:.6f} more"
        seconds = prediction.makespan_seconds
        if round(seconds - chosen.makespan_seconds, 9) > 0:
            return f"takes {seconds:.3f} s, {seconds - chosen.makespan_seconds:.3f} s more"
        return f"takes as long and costs {prediction.cost:.6f}"
